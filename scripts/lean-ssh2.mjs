// Takes out of the bundled ssh2 what costs time in every run and has no effect here.

/** Loaded with it or by node-ssh and never used: a server, agents for HTTP, key generation, directories over SFTP. */
const UNUSED = /\/ssh2\/lib\/(server|http-agents|keygen)\.js$|\/node_modules\/(make-dir|sb-scandir)\/.*\.js$/

/** By file: what is there, and what it becomes. A new ssh2 that reads otherwise fails the build. */
const EDITS = {
  // It has the server prove all of its host keys, for listeners that nobody has added: signatures, on both sides.
  '/ssh2/lib/client.js': [/hostKeysProve\(this, data, \(err, keys\) => \{[^}]*\}\);/, ''],
  // It signs and verifies once to find out whether there is Ed25519: every Node that is supported has it.
  '/ssh2/lib/protocol/constants.js': [
    /const eddsaSupported = \(\(\) => \{[\s\S]*?\}\)\(\);/,
    'const eddsaSupported = true;',
  ],
}

export function leanSsh2() {
  return {
    name: 'lean-ssh2',
    load: (id) => (UNUSED.test(id) ? 'module.exports = {}' : null),
    transform(code, id) {
      const edit = Object.entries(EDITS).find(([file]) => id.endsWith(file))
      if (edit === undefined) return null
      const [file, [what, instead]] = edit
      if (!what.test(code)) throw new Error(`${file} has changed: look at scripts/lean-ssh2.mjs`)
      return { code: code.replace(what, instead), map: { mappings: '' } }
    },
  }
}
