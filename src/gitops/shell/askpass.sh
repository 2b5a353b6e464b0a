#!/bin/sh
# Prints a passphrase from an environment that only ssh-add has.

printf '%s\n' "$K3SP_PASSPHRASE"
