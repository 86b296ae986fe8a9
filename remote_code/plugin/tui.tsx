/** @jsxImportSource @opentui/solid */
/**
 * The badge right of the prompt: `🌐 Remote: host /path`, the state of the connection, its round-trip time, a notice.
 *
 * It reads the status file that the server plugin keeps for this OpenCode process. No imports: OpenCode runs this file
 * as it is. Without REMOTE_SSH it shows nothing.
 */

type Status = {
  state: "connecting" | "ready" | "degraded" | "failed"
  host: string | null
  workdir: string | null
  rttMs: number | null
  error?: { message: string }
  notice?: string
}

const REFRESH_MS = 1000
/**
 * Room in characters, for the path and for all. Longer paths lose their beginning; of an error or a notice there is as
 * much as fits (the whole text stands in the session and in the log).
 */
const HOME = { path: 14, total: 34 }
const SESSION = { path: 32, total: 80 }
type Room = typeof HOME
/** Fewer characters of a note say nothing. */
const LEAST_NOTE = 7

const home = process.platform === "win32" ? process.env.USERPROFILE : process.env.HOME
const file = `${home}/.opencode/remote-code/status-${process.pid}.json`

function shorten(text: string, length: number) {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > length ? `${line.slice(0, Math.max(length - 1, 0))}…` : line
}

function shortenPath(path: string | null, length: number) {
  if (!path || path.length <= length) return path
  const tail = path.slice(1 - length)
  const slash = tail.indexOf("/")
  return "…" + (slash < 0 ? tail : tail.slice(slash))
}

function describeState({ state, rttMs }: Status) {
  if (state === "connecting") return "connecting…"
  if (state === "degraded") return "reconnecting…"
  if (state === "failed") return "✗"
  if (rttMs === null) return ""
  return rttMs < 1 ? "<1 ms" : `${Math.round(rttMs)} ms`
}

function describe(status: Status | null, room: Room) {
  if (!status) return "🌐 Remote: starting…"
  const path = shortenPath(status.workdir, room.path)
  const words = (path: string | null) => ["🌐 Remote:", status.host, path, describeState(status)].filter(Boolean).join(" ")
  const hasFailed = status.state === "failed"
  const note = hasFailed ? status.error?.message ?? "failed" : status.notice
  const isTight = room.total - words(path).length < LEAST_NOTE
  if (!note || (isTight && !hasFailed)) return words(path)
  const text = words(isTight ? null : path) // Why it failed says more than the path.
  return `${text} ${shorten(note, room.total - text.length)}`
}

async function tui(api: any) {
  if (!process.env.REMOTE_SSH) return
  // The terminal's side of OpenCode starts the person's editor and other programs; none of them needs these.
  delete process.env.REMOTE_PASSWORD
  delete process.env.REMOTE_SUDO_PASSWORD

  const badges = new Map<any, Room>()
  let status: Status | null = null

  const paint = (badge: any, room: Room) => {
    const colors = api.theme.current
    const color = { ready: colors.textMuted, failed: colors.error }[status?.state as string] ?? colors.warning
    badge.content = describe(status, room)
    badge.fg = color
  }

  const refresh = async () => {
    // Missing, or replaced in this moment: the next look will find it.
    status = await Bun.file(file).json().catch(() => null)
    for (const [badge, room] of badges) badge.isDestroyed ? badges.delete(badge) : paint(badge, room)
  }

  const badge = (room: Room) => () => (
    <text
      wrapMode="none"
      truncate
      ref={(node: any) => {
        badges.set(node, room)
        paint(node, room)
      }}
    />
  )

  await refresh()
  const timer = setInterval(refresh, REFRESH_MS)
  api.lifecycle.onDispose(() => clearInterval(timer))
  const slots = { home_prompt_right: badge(HOME), session_prompt_right: badge(SESSION) }
  api.slots.register({ order: 50, slots })
}

export default { id: "remote-code-badge", tui }
