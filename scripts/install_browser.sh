#!/bin/sh
# The browser's tests drive Debian's Chromium. Install it where it is missing and apt is there; say so otherwise.
if command -v chromium >/dev/null 2>&1; then
    exit 0
fi
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core && exit 0
fi
echo "No Chromium on the path and no apt to install it with: the browser's tests will be skipped."
exit 0
