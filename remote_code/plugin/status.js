/** The status file that the badge reads: one per OpenCode process, replaced by rename, removed at the end. */
import fs from "node:fs"
import os from "node:os"
import path from "node:path"

/** Where our files for running OpenCode processes stand. */
export const FOLDER = path.join(os.homedir(), ".opencode", "remote-code")

const FILE = path.join(FOLDER, `status-${process.pid}.json`)

/** @param {Record<string, unknown>} status the result of the engine's `status` */
export function writeStatus(status) {
  try {
    fs.mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
    fs.writeFileSync(`${FILE}.new`, JSON.stringify(status), { mode: 0o600 })
    fs.renameSync(`${FILE}.new`, FILE)
  } catch {
    // Only the badge suffers from a home that cannot be written.
  }
}

/** Removes the files of this process. */
export function removeOwnFiles() {
  removeFilesOf(process.pid)
}

/** Removes the files of OpenCode processes that are gone: killed ones could not do it themselves. */
export function removeStaleFiles() {
  for (const name of listFolder()) {
    const pid = Number(/-(\d+)(\.\w+)*$/.exec(name)?.[1])
    if (pid && !isAlive(pid)) fs.rmSync(path.join(FOLDER, name), { force: true })
  }
}

/** @param {number} pid */
function removeFilesOf(pid) {
  for (const name of listFolder()) {
    if (new RegExp(`-${pid}(\\.\\w+)*$`).test(name)) fs.rmSync(path.join(FOLDER, name), { force: true })
  }
}

function listFolder() {
  try {
    return fs.readdirSync(FOLDER)
  } catch {
    return []
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM"
  }
}
