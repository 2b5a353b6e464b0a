#!/usr/bin/env node
// The program's entry.

process.stdout.write('k3s-platform\n')
