// Turns `import code from './x.ts?worker'` into the code of a worker with all that it imports, for `new Worker(code, { eval: true })`:
// from a checkout and from dist/ it starts in the same way, and Node 20 needs no TypeScript.

import { dirname, resolve } from 'node:path'
import { rolldown } from 'rolldown'

const SUFFIX = '?worker'

export function workers() {
  return {
    name: 'workers',
    enforce: 'pre',
    resolveId(source, importer) {
      return source.endsWith(SUFFIX) && importer ? resolve(dirname(importer), source) : null
    },
    async load(id) {
      if (!id.endsWith(SUFFIX)) return null
      const bundle = await rolldown({ input: id.slice(0, -SUFFIX.length), platform: 'node' })
      const { output } = await bundle.generate({ format: 'cjs', minify: true, codeSplitting: false })
      await bundle.close()
      return { code: `export default ${JSON.stringify(output[0].code)}\n`, moduleType: 'js' }
    },
  }
}
