# Steps of a run, each with its outcome; sourced by tests/run and .ci/run.

failed=()
passed=()
skipped=()
not_permitted=()
started=$SECONDS

# step NAME COMMAND...: exit code 3 means that the command could not run.
step() {
    local name=$1 code=0 begin=$SECONDS
    shift
    printf '\n==> %s\n' "$name"
    "$@" || code=$?
    printf '<== %s: exit code %s, %s s\n' "$name" "$code" "$((SECONDS - begin))"
    case $code in
        0) passed+=("$name") ;;
        3) not_run "$name" "see above" ;;
        *) failed+=("$name") ;;
    esac
}

# step_if_permitted NAME COMMAND...: like step, but that the command could not run is nobody's fault: it needs
# rights (namespaces, chroot) that not every machine gives. It is reported, and fails no strict run.
step_if_permitted() {
    local before=${#skipped[@]}
    step "$@"
    if [ ${#skipped[@]} -gt "$before" ]; then
        not_permitted+=("${skipped[-1]}")
        unset 'skipped[-1]'
    fi
}

# not_run NAME REASON
not_run() {
    skipped+=("$1 ($2)")
}

# install_debian PACKAGE:PROGRAM...: installs the packages whose program is missing, or whose file where
# a path stands in place of a program.
install_debian() {
    local missing=() pair
    for pair in "$@"; do
        # Daemons are in /usr/sbin, which not everybody's path has.
        [[ ${pair#*:} == /* && -e ${pair#*:} ]] || PATH="$PATH:/usr/sbin" command -v "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        printf 'missing, and not installed (needs root and apt-get): %s\n' "${missing[*]}"
        return
    fi
    printf 'installing %s\n' "${missing[*]}"
    # A server package must not start its service: the tests start their own.
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "${missing[@]}"; } >/dev/null ||
        printf 'could not install %s\n' "${missing[*]}"
    [ -z "$made" ] || rm -f $policy
}

# Prints the outcome of all steps and ends the script. With `strict`, what could not
# run counts as failed.
summary() {
    local name
    printf '\n'
    for name in "${passed[@]}"; do printf 'passed   %s\n' "$name"; done
    for name in "${skipped[@]}" "${not_permitted[@]}"; do printf 'NOT RUN  %s\n' "$name"; done
    for name in "${failed[@]}"; do printf 'FAILED   %s\n' "$name"; done
    printf '%s steps passed, %s failed, %s not run, in %s s\n' \
        "${#passed[@]}" "${#failed[@]}" "$((${#skipped[@]} + ${#not_permitted[@]}))" "$((SECONDS - started))"
    [ ${#failed[@]} -eq 0 ] || exit 1
    [ ${#skipped[@]} -eq 0 ] || [ "${1:-}" != strict ] || exit 1
    exit 0
}
