#!/usr/bin/env bash
# Installs what `make test-slurm` needs on Debian or Ubuntu, as root. Starts no service: the tests
# start daemons of their own, and a machine that already has a Slurm configuration is left alone.
set -euo pipefail

packages=(slurm-wlm slurmdbd munge mariadb-server)

if [ "$(id -u)" -ne 0 ]; then
  echo "Run this as root: sudo $0" >&2
  exit 1
fi
if [ -e /etc/slurm/slurm.conf ]; then
  echo "/etc/slurm/slurm.conf exists: this machine has a Slurm of its own; nothing installed." >&2
  exit 1
fi

# Debian starts the services of new packages unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${packages[@]}"
