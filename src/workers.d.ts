// What scripts/worker-plugin.mjs makes of a worker's file.
declare module '*?worker' {
  const code: string
  export default code
}
