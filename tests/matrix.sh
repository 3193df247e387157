#!/usr/bin/env bash
# Run the tests on another interpreter and Django than the project's own environment: tests/matrix.sh 3.13 'django~=6.1.0' [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
version=$1 django=$2
shift 2

find_python() {
  # On the path (a shim of a version manager may be there and not run), or installed by pyenv.
  for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    "$candidate" -c '' 2>/dev/null && echo "$candidate" && return
  done
}

python=$(find_python)
if [ -z "$python" ]; then
  echo "No Python $version was found." >&2
  exit 1
fi
environment=.venvs/$version
if [ ! -e "$environment/.installed" ] || [ pyproject.toml -nt "$environment/.installed" ]; then
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --editable ".[dev]" "$django"
  touch "$environment/.installed"
fi
"$environment/bin/python" -c 'import platform, django; print("Python", platform.python_version(), "Django", django.__version__)'
exec "$environment/bin/python" -X dev -m pytest --numprocesses "${JOBS:-auto}" --dist loadfile --no-loadscope-reorder "$@"
