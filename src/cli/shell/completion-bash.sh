# shellcheck shell=bash
# Completes the words of k3s-platform in bash: the program itself knows the candidates. Works without bash-completion.

_k3s_platform() {
  local line="${COMP_LINE:0:COMP_POINT}" word current before candidate typed=() found=()
  read -ra typed <<<"$line"
  case $line in *[[:space:]]) typed+=('') ;; esac
  current="${typed[${#typed[@]} - 1]}"
  COMPREPLY=()
  while IFS= read -r word; do found+=("${word%%$'\t'*}"); done < <(
    "${typed[0]}" completion candidates -- "${typed[@]:1}" 2>/dev/null
  )
  if [ "${found[0]:-}" = :files ]; then
    compopt -o default 2>/dev/null
    return
  fi
  # readline replaces only what follows the last = or : of the word.
  before="${current%"${current##*[=:]}"}"
  for candidate in "${found[@]}"; do
    case $candidate in *=) compopt -o nospace 2>/dev/null ;; esac
    COMPREPLY+=("${candidate#"$before"}")
  done
}

complete -F _k3s_platform k3s-platform
