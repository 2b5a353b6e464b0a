/** A text file's template; a name that the data lacks is an error. */
declare module '*.hbs' {
  const render: (data: object) => string
  export default render
}
