# Sourced by .ci/run: SwiftShader, a Vulkan in software, out of Debian's packages, so that the tests
# of WebGPU have a device. Where it cannot be had (no Debian, no network, not root) those tests are
# skipped by name; where it is there, LORA_REQUIRE_WEBGPU=1 makes skipping them a failure.

vulkan_folder="${TMPDIR:-/tmp}/lora-swiftshader-$(id -u)"
vulkan_driver="$vulkan_folder/usr/lib/chromium/libvk_swiftshader.so"

has_vulkan_loader() { ldconfig -p 2>/dev/null | grep 'libvulkan\.so\.1 ' >/dev/null; }

# The driver is one file of Chromium's package: taken out, not installed.
fetch_vulkan_driver() {
  local fresh
  fresh=$(mktemp -d "$vulkan_folder.XXXXXX") || return
  (cd "$fresh" && timeout 300 apt-get download -q chromium-common && dpkg -x chromium-common_*.deb . &&
    rm chromium-common_*.deb) && [ -e "$fresh/usr/lib/chromium/libvk_swiftshader.so" ] &&
    rm -rf "$vulkan_folder" && mv "$fresh" "$vulkan_folder" && return
  rm -rf "$fresh"
  return 1
}

install_vulkan() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null || return
  [ -e "$vulkan_driver" ] && has_vulkan_loader && return
  timeout 300 apt-get update -q || true # the packages may be known already
  [ -e "$vulkan_driver" ] || fetch_vulkan_driver || return
  has_vulkan_loader ||
    DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -qy --no-install-recommends libvulkan1
}

use_vulkan() {
  cat >"$vulkan_folder/icd.json" <<END
{"file_format_version": "1.0.0", "ICD": {"library_path": "$vulkan_driver", "api_version": "1.3.0"}}
END
  export VK_DRIVER_FILES="$vulkan_folder/icd.json" VK_ICD_FILENAMES="$vulkan_folder/icd.json"
  export LORA_REQUIRE_WEBGPU=1
}
