// Bundles the program into dist/: a start file, and chunks that load when they are needed.

import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { rolldown } from 'rolldown'
import { leanSsh2 } from './lean-ssh2.mjs'
import { templates } from './template-plugin.mjs'
import { workers } from './worker-plugin.mjs'

const here = (path) => new URL(path, import.meta.url).pathname
/** Tests name a directory of their own. */
const dist = process.argv[2] ? `${process.argv[2]}/` : here('../dist/')
const made = `${dist.slice(0, -1)}.${process.pid}/`

/** What is imported from CommonJS and from Node inherits from it: to copy each name of it took 8 ms of every start. */
const lightInterop = {
  name: 'light-interop',
  renderChunk(code, { name }) {
    if (name !== 'rolldown-runtime') return null
    const copying = /var __toESM = [\s\S]*?, mod\)\);\n/
    if (!copying.test(code)) throw new Error("rolldown's runtime has changed: look at lightInterop")
    const inheriting = `var __toESM = (mod, isNodeMode) => isNodeMode || !mod || !mod.__esModule || !__hasOwnProp.call(mod, "default")
  ? Object.create(Object(mod), { default: { value: mod, enumerable: true } }) : mod;\n`
    return { code: code.replace(copying, inheriting), map: { mappings: '' } }
  },
}

const bundle = await rolldown({
  input: { main: here('../src/cli/main.ts') },
  platform: 'node',
  external: [/\.node$/, 'cpu-features'],
  // Of the Kubernetes client only what makes credentials is used: 0.5 MB instead of 3.4.
  treeshake: { moduleSideEffects: (id) => !/node_modules\/@kubernetes\/client-node\//.test(id) },
  plugins: [templates(), workers(), leanSsh2(), lightInterop],
})
// CommonJS: its compiled code can be kept, see start.cjs.
const { output } = await bundle.write({
  dir: made,
  format: 'cjs',
  minify: true,
  entryFileNames: '[name]-[hash].js',
  chunkFileNames: '[name]-[hash].js',
})
await bundle.close()
const main = output.find((one) => one.type === 'chunk' && one.isEntry)
const start = await readFile(here('start.cjs'), 'utf8')
await writeFile(`${made}k3s-platform.js`, start.replace('MAIN', main.fileName))
await writeFile(`${made}package.json`, '{"type":"commonjs"}\n')
await chmod(`${made}k3s-platform.js`, 0o755)
await rm(dist, { recursive: true, force: true })
await rename(made, dist)
