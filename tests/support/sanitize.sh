#!/bin/sh
# Runs the tests of the kernels with the C code under AddressSanitizer and UndefinedBehaviorSanitizer.
# Works on a copy in build/sanitize, so the compiled kernels in the tree stay as they are.
# Usage: sh tests/support/sanitize.sh [PYTHON]; arguments behind it go to pytest.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
python=${1:-$root/.venv/bin/python}
[ $# -eq 0 ] || shift
case $python in
/*) ;;
*) python=$(pwd)/$python ;;
esac
copy=$root/build/sanitize
flags="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all"

rm -rf "$copy"
mkdir -p "$copy"
cd "$root"
cp -R remote_code tests launchers setup.py pyproject.toml README.md LICENSE "$copy"
find "$copy" \( -name '*.so' -o -name '__pycache__' \) -prune -exec rm -rf {} +

cd "$copy"
REMOTE_CODE_REQUIRE_EXTENSIONS=1 CFLAGS="$flags" LDFLAGS="-fsanitize=address,undefined" \
	"$python" setup.py --quiet build_ext --inplace

# The sanitizers' library must be there before Python starts. Python itself never frees some of its memory, so leaks
# are not looked for; PYTHONMALLOC makes each of its blocks one that the sanitizer watches.
library=$(${CC:-gcc} -print-file-name=libasan.so)
exec env LD_PRELOAD="$library" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc \
	PYTHONDONTWRITEBYTECODE=1 REMOTE_CODE_REQUIRE_EXTENSIONS=1 \
	"$python" -m pytest -q -p no:cacheprovider --ignore tests/twin/test_packaging.py tests/twin "$@"
