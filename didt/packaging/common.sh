# What the packages and their tests share; sourced by them.

# Builds didt (build_program [--profile PROFILE], default: release) and prints where it is.
build_program() {
    local profile=release target
    [ "${1:-}" != --profile ] || profile=$2
    cargo build --quiet --locked -p didt --profile "$profile"
    target=$(cargo metadata --no-deps --format-version 1 --locked |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    # Cargo keeps what `dev` builds in `debug`.
    echo "$target/${profile/#dev/debug}/didt"
}

# The test cannot run, which is not a failure of it.
cannot() {
    echo "not run: $1"
    exit 3
}

say() { printf '    %s\n' "$*"; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# Ends a test that needs root, namespaces, and these programs where one of them is missing.
need_namespaces_and() {
    local program
    [ "$(id -u)" = 0 ] || cannot 'chroot needs root'
    for program in "$@" ip python3 unshare; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null || cannot "$program is missing"
    done
    unshare --mount --net --pid --fork sh -c 'mount --bind /tmp /tmp && ip link set lo up && chroot / true' \
        2>/dev/null || cannot 'namespaces are forbidden here'
}
