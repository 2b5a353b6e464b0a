// Turns templates/*.hbs into JavaScript when the program is built (rolldown) or tested (vitest): nothing is parsed at run time.

import { readFile } from 'node:fs/promises'
import Handlebars from 'handlebars'

export function templates() {
  return {
    name: 'handlebars-templates',
    async load(id) {
      if (!id.endsWith('.hbs')) return null
      const spec = Handlebars.precompile(await readFile(id, 'utf8'), {
        strict: true,
        noEscape: true,
        knownHelpersOnly: true,
      })
      return {
        code: `import Handlebars from 'handlebars/runtime'\nexport default Handlebars.template(${spec})\n`,
        moduleType: 'js',
      }
    },
  }
}
