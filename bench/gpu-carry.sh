#!/usr/bin/env bash
# Runs bench/gpu.ts on a machine with a card and nothing else, from the folder that bench/gpu-carry.ts made: unpacks it
# beside itself, gives the loader's libraries to what the system lacks alone, and finds the card's Vulkan driver.
#   bash FOLDER/run.sh [options of bench/gpu.ts]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
content=$here/content

if [ ! -d "$content" ]; then
  mkdir "$content"
  tar -xJf "$here/content.tar.xz" -C "$content" 2>/dev/null ||
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$here/content.tar.xz" "$content"
fi

# libraries that the system has stay the system's
known=$(ldconfig -p 2>/dev/null || /sbin/ldconfig -p)
mkdir -p "$content/lib"
while read -r library; do
  name=$(basename "$library")
  grep -q "[[:space:]]$name " <<<"$known" || ln -sf "$library" "$content/lib/$name"
done < <(find "$content/debs" -name '*.so.*' 2>/dev/null)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$content/lib

# Vulkan's loader looks in these folders alone
folders='/etc/vulkan/icd.d /usr/share/vulkan/icd.d /usr/local/share/vulkan/icd.d /usr/local/etc/vulkan/icd.d'
if [ -z "${VK_DRIVER_FILES:-}" ] && ! ls $(printf '%s/*.json ' $folders) >/dev/null 2>&1; then
  found=$(find /usr/local /usr/lib /usr/lib64 /opt -name 'nvidia_icd*.json' 2>/dev/null | head -n 1 || true)
  if [ -z "$found" ] && grep -q 'libGLX_nvidia\.so\.0' <<<"$known"; then
    found=$content/nvidia_icd.json
    echo '{"file_format_version": "1.0.0", "ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.3.0"}}' >"$found"
  fi
  [ -z "$found" ] || export VK_DRIVER_FILES=$found VK_ICD_FILENAMES=$found
fi
echo "Vulkan: loader $(grep -o 'libvulkan\.so\.1 .*' <<<"$known" | head -n 1 || true); driver ${VK_DRIVER_FILES:-where the system has it}"

# modules that Python has stay its own
mkdir -p "$content/missing"
for module in "$content"/python/*/; do
  name=$(basename "$module")
  case $name in *.dist-info) continue ;; esac
  python3 -c "import importlib.util as u, sys; sys.exit(u.find_spec('$name') is None)" 2>/dev/null ||
    ln -sfn "$content/python/$name" "$content"/python/"$name"-*.dist-info "$content/missing/"
done
export PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}$content/missing

node=$content/node
[ -x "$node" ] || node=node
exec "$node" "$content/gpu.mjs" "$@"
