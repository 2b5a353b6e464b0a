/** The text of a file of shell, without its comments: see `script` in sh.ts. */
declare module '*.sh' {
  const text: string
  export default text
}
