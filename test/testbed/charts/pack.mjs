// Packs the charts of list.json: those of Go modules as their projects' release tools do, and the small ones beside this file.
//
//   node pack.mjs DIR
//
// DIR/index.yaml and DIR/<name>-<version>.tgz are a chart repository, DIR/v2/charts/<name>/{manifests,blobs,tags}/... an OCI
// registry, for a static file server that knows the media type of manifests. The same sources make the same bytes.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parse, parseAllDocuments, stringify } from 'yaml'

const [out] = process.argv.slice(2)
if (out === undefined) throw new Error('usage: pack.mjs DIR')
const here = import.meta.dirname
const work = mkdtempSync(join(tmpdir(), 'k3sp-charts-'))
const sha256 = (content) => createHash('sha256').update(content).digest('hex')
const entries = {}

/** The directory of `module@version`; downloads it if need be. */
function moduleDir(module) {
  const answer = execFileSync('go', ['mod', 'download', '-json', module], {
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(answer).Dir
}

const CRD_ANNOTATIONS = '    {{- with .Values.crds.annotations }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}'

/**
 * external-secrets ships its CRDs apart from its chart and puts them into it when it packs: one template per CRD, behind
 * the chart's values, with the names of the release's webhook and the annotations that the values give.
 */
function crdTemplates(bundle, into) {
  for (const document of parseAllDocuments(readFileSync(bundle, 'utf8'))) {
    const { kind, singular } = document.toJS().spec.names
    const optional = /Cluster|PushSecret/.test(kind) ? ` .Values.crds.create${kind}` : ''
    const text = document
      .toString()
      .replaceAll('name: kubernetes', 'name: {{ include "external-secrets.fullname" . }}-webhook')
      .replaceAll('namespace: default', 'namespace: {{ .Release.Namespace | quote }}')
      .replace(/^ {4}controller-gen\.kubebuilder\.io\/version: .*$/m, `$&\n${CRD_ANNOTATIONS}`)
    writeFileSync(join(into, `${singular}.yaml`), `{{- if and .Values.installCRDs${optional} }}\n${text}{{- end }}\n`)
  }
}

function pack({ name, module, dir, crds, appVersion, versions }) {
  const source = module === undefined ? join(here, name) : join(moduleDir(module), dir)
  const unwanted = new Set(['ci', 'tests', 'schema', 'Chart.lock', 'README.md', 'README.md.gotmpl', 'CHANGELOG.md'])
  for (const version of versions) {
    const parent = mkdtempSync(join(work, 'chart-'))
    const chart = join(parent, name)
    cpSync(source, chart, { recursive: true, filter: (file) => file === source || !unwanted.has(basename(file)) })
    execFileSync('chmod', ['-R', 'u+w', chart])
    if (crds !== undefined) {
      mkdirSync(join(chart, 'templates/crds'), { recursive: true })
      crdTemplates(join(moduleDir(module), crds), join(chart, 'templates/crds'))
    }
    const { dependencies: _, ...meta } = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8'))
    Object.assign(meta, { version }, appVersion === undefined ? {} : { appVersion })
    writeFileSync(join(chart, 'Chart.yaml'), stringify(meta))
    const file = `${name}-${version}.tgz`
    const tar = [
      '--sort=name',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '--mtime=@0',
      '--use-compress-program=gzip -n',
    ]
    execFileSync('tar', ['-C', parent, ...tar, '-cf', join(out, file), name])
    publish(meta, file, readFileSync(join(out, file)))
  }
}

/** Adds a packed chart to the index and to the registry. */
function publish(meta, file, content) {
  entries[meta.name] ??= []
  entries[meta.name].unshift({ ...meta, digest: sha256(content), urls: [file] })
  const repository = join(out, 'v2/charts', meta.name)
  for (const folder of ['manifests', 'blobs', 'tags']) mkdirSync(join(repository, folder), { recursive: true })
  const blob = (mediaType, data) => {
    const digest = `sha256:${sha256(data)}`
    writeFileSync(join(repository, 'blobs', digest), data)
    return { mediaType, digest, size: data.length }
  }
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: blob('application/vnd.cncf.helm.config.v1+json', Buffer.from(JSON.stringify(meta))),
    layers: [blob('application/vnd.cncf.helm.chart.content.v1.tar+gzip', content)],
  })
  for (const name of [meta.version, `sha256:${sha256(manifest)}`])
    writeFileSync(join(repository, 'manifests', name), manifest)
  const tags = entries[meta.name].map(({ version }) => version)
  writeFileSync(join(repository, 'tags/list'), JSON.stringify({ name: `charts/${meta.name}`, tags }))
}

mkdirSync(out, { recursive: true })
for (const one of JSON.parse(readFileSync(join(here, 'list.json'), 'utf8'))) pack(one)
writeFileSync(join(out, 'index.yaml'), stringify({ apiVersion: 'v1', entries }))
rmSync(work, { recursive: true })
