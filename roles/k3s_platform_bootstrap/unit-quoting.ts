// Quotes a value for a systemd unit, an environment file or an OpenRC script, so that each reads back exactly that value.

const PLAIN = /^[A-Za-z0-9_/.:,@+=-]*$/

/** systemd.service(5), command lines: specifiers and variables are expanded inside of quotes, too. */
export function unitArgument(value: string): string {
  return PLAIN.test(value)
    ? value
    : `"${value.replace(/["\\]/g, '\\$&').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}

/** systemd.exec(5), EnvironmentFile: inside double quotes only backslash, double quote, backtick and dollar are special. */
export function environmentValue(value: string): string {
  return /^[A-Za-z0-9_/.:,@%+=-]*$/.test(value) ? value : `"${value.replace(/[\\"`$]/g, '\\$&')}"`
}

/** In the double quotes of command_args, which openrc-run evaluates once more. */
export function openrcArgument(value: string): string {
  return PLAIN.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`.replace(/[\\"`$]/g, '\\$&')
}
