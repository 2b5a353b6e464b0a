// Packs container images into an OCI archive, which k3s takes from its directory of images.
//
//   node pack.mjs ARCHIVE NAME LAYER...
//
// NAME is a group of list.json; its images have the same layers (uncompressed tars) and differ by their commands.

import { createHash } from 'node:crypto'
import { createWriteStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import tar from 'tar-stream'

const [archive, group, ...files] = process.argv.slice(2)
if (files.length === 0) throw new Error('usage: pack.mjs ARCHIVE NAME LAYER...')
const images = JSON.parse(readFileSync(join(import.meta.dirname, 'list.json'), 'utf8'))[group]

const oci = 'application/vnd.oci.image'
const pack = tar.pack()
const written = pipeline(pack, createWriteStream(archive))
const add = (name, content) => pack.entry({ name, mtime: new Date(0) }, content)
const blobs = new Set()

/** Stores it once, and returns what points to it. */
function blob(mediaType, content) {
  const data = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  const sha256 = createHash('sha256').update(data).digest('hex')
  if (!blobs.has(sha256)) add(`blobs/sha256/${sha256}`, data)
  blobs.add(sha256)
  return { mediaType, digest: `sha256:${sha256}`, size: data.length }
}

const layers = files.map((file) => blob(`${oci}.layer.v1.tar`, readFileSync(file)))
const manifests = images.map(({ name, command, user }) => {
  const config = blob(`${oci}.config.v1+json`, {
    architecture: 'amd64',
    os: 'linux',
    config: { Env: ['PATH=/bin'], Entrypoint: command, User: user ?? '' },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  })
  const mediaType = `${oci}.manifest.v1+json`
  const manifest = blob(mediaType, { schemaVersion: 2, mediaType, config, layers })
  return { ...manifest, annotations: { 'io.containerd.image.name': name } }
})
add('oci-layout', '{"imageLayoutVersion":"1.0.0"}')
add('index.json', JSON.stringify({ schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests }))
pack.finalize()
await written
