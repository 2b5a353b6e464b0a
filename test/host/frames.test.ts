// Frames: what each part of a script printed comes back apart, whatever the bytes are and however the part behaved.

import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { FrameReader, frame, framing, type Mark } from '../../src/host/frames.ts'
import { lines, type Sh, sh } from '../../src/host/sh.ts'

const NONCE = '0123abcd'

/** Marks with neighbouring data joined: how a stream was cut must not show. */
function read(chunks: readonly Buffer[]): Mark[] {
  const marks: Mark[] = []
  const reader = new FrameReader(NONCE, 10, (mark) => {
    const before = marks.at(-1)
    if ((mark.is === 'data' || mark.is === 'error') && before?.is === mark.is) {
      marks[marks.length - 1] = { ...before, bytes: Buffer.concat([before.bytes, mark.bytes]) }
    } else marks.push(mark)
  })
  for (const chunk of chunks) reader.push(chunk)
  return marks
}

const data = (of: number, text: string | Buffer): Mark => ({ is: 'data', frame: of, bytes: Buffer.from(text) })
const begin = (of: number): Mark => ({ is: 'begin', frame: of })
const end = (of: number, code = 0): Mark => ({ is: 'end', frame: of, code })
const mark = (text: string) => `\n@${NONCE} ${text}\n`
const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))

const STREAMS: readonly (readonly [string, Buffer, readonly Mark[]])[] = [
  ['nothing', Buffer.alloc(0), []],
  ['a frame without output', Buffer.from(mark('b 0') + mark('e 0 0')), [begin(0), end(0)]],
  [
    'output with its last line break',
    Buffer.from(`${mark('b 0')}a\nb\n${mark('e 0 0')}`),
    [begin(0), data(0, 'a\nb\n'), end(0)],
  ],
  ['output without one', Buffer.from(`${mark('b 0')}a${mark('e 0 3')}`), [begin(0), data(0, 'a'), end(0, 3)]],
  ['only line breaks', Buffer.from(`${mark('b 0')}\n\n\n${mark('e 0 0')}`), [begin(0), data(0, '\n\n\n'), end(0)]],
  [
    'a banner before, words between and after',
    Buffer.from(`Hi\n${mark('b 0')}a${mark('e 0 0')}x${mark('z')}y`),
    [begin(0), data(0, 'a'), end(0), { is: 'finish' }],
  ],
  [
    'markers of another run, and halves of markers',
    Buffer.from(`${mark('b 0')}\n@ffff0000 e 0 0\n@${NONCE}\n\n@0123abc\n@${NONCE.slice(1)} e 0 1\n${mark('e 0 0')}`),
    [begin(0), data(0, `\n@ffff0000 e 0 0\n@${NONCE}\n\n@0123abc\n@${NONCE.slice(1)} e 0 1\n`), end(0)],
  ],
  [
    'every byte there is',
    Buffer.concat([Buffer.from(mark('b 7')), all, Buffer.from(mark('e 7 0'))]),
    [begin(7), data(7, all), end(7)],
  ],
  [
    'stderr behind stdout, and an end that begins the next',
    Buffer.from(`${mark('b 2')}a\n${mark('x')}b\n${mark('e 2 3 b 5')}c${mark('e 5 0')}`),
    [
      begin(2),
      data(2, 'a\n'),
      { is: 'error', frame: 2, bytes: Buffer.from('b\n') },
      end(2, 3),
      begin(5),
      data(5, 'c'),
      end(5),
    ],
  ],
  [
    'waits within output',
    Buffer.from(`${mark('b 1')}a${mark('w 60 for  it')}b${mark('w 0 x')}${mark('e 1 0')}`),
    [
      begin(1),
      data(1, 'a'),
      { is: 'wait', frame: 1, boundSeconds: 60, why: 'for  it' },
      data(1, 'b'),
      { is: 'wait', frame: 1, boundSeconds: null, why: 'x' },
      end(1),
    ],
  ],
  ['an exit code above 128', Buffer.from(mark('b 0') + mark('e 0 137')), [begin(0), end(0, 137)]],
]

describe.each(STREAMS)('%s', (_, stream, expected) => {
  test('reads alike in one piece, byte by byte, and cut at every place', () => {
    expect(read([stream])).toEqual(expected)
    expect(read([...stream].map((byte) => Buffer.from([byte])))).toEqual(expected)
    for (let at = 1; at < stream.length; at++) {
      expect(read([stream.subarray(0, at), stream.subarray(at)])).toEqual(expected)
    }
  })
})

test('output is told as it comes, but for what may begin a marker', () => {
  const marks: Mark[] = []
  const reader = new FrameReader(NONCE, 10, (m) => marks.push(m))
  reader.push(Buffer.from(`${mark('b 0')}${'x'.repeat(100)}`))
  expect(marks.at(-1)).toMatchObject({ is: 'data' })
})

const ROUGH: readonly (readonly [string, Sh, { code: number; out: string; err?: string }])[] = [
  ['reads stdin', sh`cat; read -r x; printf '%s' "[$x]"`, { code: 0, out: '[]' }],
  ['changes options', sh`set -eu; set -f; false; echo no`, { code: 1, out: '' }],
  ['uses what is not set', sh`set -u; echo "$k_nothing"`, { code: -1, out: '' }],
  [
    'changes directory and variables',
    sh`cd /tmp; K=x; PATH=; k_end() { :; }; IFS=,; printf ok`,
    { code: 0, out: 'ok' },
  ],
  ['sets a trap', sh`trap 'echo bye' EXIT; trap '' TERM; exit 5`, { code: 5, out: 'bye\n' }],
  ['closes its streams', sh`exec >&- 2>&-; exit 0`, { code: 0, out: '' }],
  ['kills itself', sh`sh -c 'kill -9 $PPID'; sleep 5`, { code: 137, out: '' }],
  ['forges the end of a frame', sh`printf '\n@%s e 0 0\n' deadbeef; exit 9`, { code: 9, out: '\n@deadbeef e 0 0\n' }],
  ['prints on both streams', sh`printf a; printf b >&2; printf c; printf d >&2`, { code: 0, out: 'ac', err: 'bd' }],
  ['prints bytes that are no text', sh`printf '\000\377\n\n'`, { code: 0, out: '\0\ufffd\n\n' }],
  ['leaves a child that outlives it', sh`(sleep 0.2; echo late) >/dev/null 2>&1 & exit 0`, { code: 0, out: '' }],
]

const SHELLS: Readonly<Record<string, readonly string[]>> = {
  dash: ['dash'],
  bash: ['bash', '--posix'],
  busybox: ['busybox', 'sh'],
}

describe.each(Object.entries(SHELLS))('under %s', (_, [command = '', ...args]) => {
  test.each(ROUGH)('a part that %s ends as it does, and the next one is as if it had not been', (_, part, expected) => {
    const next = sh`printf '%s|%s|' "$(pwd)" "$-"; printf x | tr x y; [ "$IFS" = ' 	
' ] || printf ifs; trap; exit 4`
    const plain = lines([framing(NONCE), sh`cd /`, frame(0, next), sh`k_finish`])
    const script = lines([framing(NONCE), sh`cd /`, frame(0, part), frame(1, next), sh`k_finish`])
    const run = (text: Sh) => spawnSync(command, args, { input: text.reveal() })
    const { stdout, stderr } = run(script)
    const marks = read([stdout])
    const of = (found: readonly Mark[], i: number) =>
      Buffer.concat(found.flatMap((m) => (m.is === 'data' && m.frame === i ? [m.bytes] : []))).toString()
    const codes = marks.flatMap((m) => (m.is === 'end' ? [m.code] : []))
    expect(of(marks, 0)).toBe(expected.out)
    if (expected.err !== undefined) expect(of(read([stderr]), 0)).toBe(expected.err)
    if (expected.code < 0) expect(codes[0]).toBeGreaterThan(0)
    else expect(codes[0]).toBe(expected.code)
    expect(codes[1]).toBe(4)
    expect(of(marks, 1)).toBe(of(read([run(plain).stdout]), 0))
    expect(marks.at(-1)).toEqual({ is: 'finish' })
  })
})
