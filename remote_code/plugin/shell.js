/**
 * `!cmd` and `` !`cmd` `` on the remote: a small program of ours as OpenCode's `shell`, which hands the text to
 * `remote-code exec`. OpenCode starts a shell whose name it does not know as `FILE -c TEXT`, without rc files.
 */
import fs from "node:fs"
import path from "node:path"
import { FOLDER } from "./status.js"

/** The wrapper; its name must not be that of a shell that OpenCode knows, and its folder is never swept. */
const FILE = path.join(FOLDER, `remote-code-shell-${process.pid}`)

/** Where the engine listens for `remote-code exec`, or null where there are no such sockets. */
export const SOCKET = process.platform === "win32" ? null : socketPath()

/**
 * Puts the wrapper into OpenCode's configuration, in memory only.
 * @param {{shell?: string}} config OpenCode's merged configuration
 * @param {string[]} command words that start `remote-code`
 */
export function arm(config, command) {
  if (!SOCKET) return
  const usual = (config.shell !== FILE && config.shell) || process.env.SHELL || "/bin/sh"
  const exec = [...command, "exec", "--socket", SOCKET, "--tell-status", "--"].map(quote).join(" ")
  const text = `#!/bin/sh
if [ "$#" -eq 2 ] && [ "$1" = -c ]; then
  exec ${exec} "$2"
fi
exec ${quote(usual)} "$@"
`
  fs.mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  fs.writeFileSync(`${FILE}.new`, text, { mode: 0o700 })
  fs.renameSync(`${FILE}.new`, FILE)
  config.shell = FILE
}

/**
 * Refuses a `!cmd` that would run on this machine: OpenCode falls back to the local shell without a word.
 * @param {{shell?: string} | undefined} config the configuration that `arm` changed
 */
export function refuseUnlessArmed(config) {
  try {
    if (config?.shell === FILE) return fs.accessSync(FILE, fs.constants.X_OK)
  } catch {
    // Told below.
  }
  throw new Error("Remote Code cannot run this on the remote: its shell wrapper is not in place; refused to run it locally")
}

function socketPath() {
  const usual = path.join(FOLDER, `engine-${process.pid}.sock`)
  // The address of a Unix socket holds about 104 bytes.
  if (Buffer.byteLength(usual) <= 100) return usual
  return path.join(process.env.XDG_RUNTIME_DIR ?? "/tmp", `remote-code-${process.getuid?.()}-${process.pid}.sock`)
}

/** @param {string} word */
function quote(word) {
  return "'" + word.replaceAll("'", "'\\''") + "'"
}
