# Installs npm `ws` into target/interop. For the scripts beside it, which have set `target`.
ws=8.23.0
if ! { node --version && npm --version; } >/dev/null 2>&1; then
  echo "the interop tests need node and npm" >&2
  exit 2
fi
if [ ! -e "$target/ws-$ws/ready" ]; then
  rm -rf "$target/ws-$ws"
  npm install --prefix "$target/ws-$ws" --silent --no-audit --no-fund "ws@$ws"
  touch "$target/ws-$ws/ready"
fi
export NODE_PATH=$target/ws-$ws/node_modules
