// Takes out of the bundled ssh2 what costs time in every run and has no effect here.

/** Loaded with it or by node-ssh and never used: a server, agents for HTTP, key generation, directories over SFTP. */
const UNUSED = /\/ssh2\/lib\/(server|http-agents|keygen)\.js$|\/node_modules\/(make-dir|sb-scandir)\/.*\.js$/

/** What is there in which file, and what it becomes. A new ssh2 that reads otherwise fails the build. */
const EDITS = [
  // It has the server prove all of its host keys, for listeners that nobody has added: signatures, on both sides.
  ['/ssh2/lib/client.js', /hostKeysProve\(this, data, \(err, keys\) => \{[^}]*\}\);/, ''],
  // A packet is written in three parts, and each would travel alone and wake the server: they leave together, in the next tick.
  [
    '/ssh2/lib/client.js',
    /if \(isWritable\(sock\)\)\s*sock\.write\(data\);/,
    `if (isWritable(sock)) {
      if (!sock.writableCorked) { sock.cork(); process.nextTick(() => sock.uncork()); }
      sock.write(data);
    }`,
  ],
  // It signs and verifies once to find out whether there is Ed25519: outside of FIPS mode every supported Node has it.
  [
    '/ssh2/lib/protocol/constants.js',
    /const eddsaSupported = \(\(\) => \{/,
    'const eddsaSupported = crypto.getFips() === 0 || (() => {',
  ],
  // A cipher is made for each packet: Node reads the key anew each time unless it is a key object.
  [
    '/ssh2/lib/protocol/crypto.js',
    /(class AESGCMCipherNative [\s\S]*?this\._encKey = )enc\.cipherKey;/,
    "$1require('crypto').createSecretKey(enc.cipherKey);",
  ],
  [
    '/ssh2/lib/protocol/crypto.js',
    /(class AESGCMDecipherNative [\s\S]*?this\._decipherKey = )dec\.decipherKey;/,
    "$1require('crypto').createSecretKey(dec.decipherKey);",
  ],
]

export function leanSsh2() {
  return {
    name: 'lean-ssh2',
    load: (id) => (UNUSED.test(id) ? 'module.exports = {}' : null),
    transform(code, id) {
      const edits = EDITS.filter(([file]) => id.endsWith(file))
      if (edits.length === 0) return null
      const edited = edits.reduce((before, [file, what, instead]) => {
        if (!what.test(before)) throw new Error(`${file} has changed: look at scripts/lean-ssh2.mjs`)
        return before.replace(what, instead)
      }, code)
      return { code: edited, map: { mappings: '' } }
    },
  }
}
