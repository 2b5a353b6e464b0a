// Turns files of text into JavaScript when the program is built (rolldown) or tested (vitest): templates/*.hbs into functions, so
// that nothing is parsed at run time, and *.sh into strings.

import { readFile } from 'node:fs/promises'
import Handlebars from 'handlebars'

export function templates() {
  return {
    name: 'templates',
    async load(id) {
      const make = id.endsWith('.html.hbs')
        ? htmlTemplate
        : id.endsWith('.hbs')
          ? template
          : id.endsWith('.sh')
            ? script
            : null
      return make && { code: make(await readFile(id, 'utf8')), moduleType: 'js' }
    },
  }
}

const htmlTemplate = (text) => template(text, false)

/** `noEscape` false: every text is escaped as HTML. */
function template(text, noEscape = true) {
  const spec = Handlebars.precompile(text, { strict: true, noEscape, knownHelpersOnly: true })
  return `import Handlebars from 'handlebars/runtime'\nexport default Handlebars.template(${spec})\n`
}

/** Comments are for people: they do not travel to a host in every run. */
function script(text) {
  const lines = text.split('\n').filter((line) => !/^\s*(#(?!!)|$)/.test(line))
  return `export default ${JSON.stringify(lines.join('\n'))}\n`
}
