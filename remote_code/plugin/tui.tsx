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
/** Longer errors and notices are cut: the whole text stands in the session and in the log. */
const NOTE_LENGTH = 60

/** Longer paths lose their beginning: the place right of the prompt is narrow, most of all on the home screen. */
const PATH_LENGTH = { home: 14, session: 32 }

const home = process.platform === "win32" ? process.env.USERPROFILE : process.env.HOME
const file = `${home}/.opencode/remote-code/status-${process.pid}.json`

function shorten(text: string) {
  const line = text.replace(/\s+/g, " ").trim()
  return line.length > NOTE_LENGTH ? `${line.slice(0, NOTE_LENGTH - 1)}…` : line
}

function shortenPath(path: string | null, length: number) {
  if (!path || path.length <= length) return path
  const tail = path.slice(1 - length)
  const slash = tail.indexOf("/")
  return "…" + (slash < 0 ? tail : tail.slice(slash))
}

function describe(status: Status | null, pathLength: number) {
  if (!status) return "🌐 Remote: starting…"
  const words = ["🌐 Remote:", status.host, shortenPath(status.workdir, pathLength)]
  if (status.state === "connecting") words.push("connecting…")
  if (status.state === "degraded") words.push("reconnecting…")
  if (status.state === "failed") words.push("✗", shorten(status.error?.message ?? "failed"))
  if (status.state === "ready" && status.rttMs !== null) words.push(status.rttMs < 1 ? "<1 ms" : `${Math.round(status.rttMs)} ms`)
  if (status.notice) words.push("·", shorten(status.notice))
  return words.filter(Boolean).join(" ")
}

async function tui(api: any) {
  if (!process.env.REMOTE_SSH) return
  // The terminal's side of OpenCode starts the person's editor and other programs; none of them needs these.
  delete process.env.REMOTE_PASSWORD
  delete process.env.REMOTE_SUDO_PASSWORD

  const badges = new Map<any, number>()
  let status: Status | null = null

  const paint = (badge: any, pathLength: number) => {
    const colors = api.theme.current
    const color = { ready: colors.textMuted, failed: colors.error }[status?.state as string] ?? colors.warning
    badge.content = describe(status, pathLength)
    badge.fg = color
  }

  const refresh = async () => {
    // Missing, or replaced in this moment: the next look will find it.
    status = await Bun.file(file).json().catch(() => null)
    for (const [badge, pathLength] of badges) badge.isDestroyed ? badges.delete(badge) : paint(badge, pathLength)
  }

  const badge = (pathLength: number) => () => (
    <text
      wrapMode="none"
      truncate
      ref={(node: any) => {
        badges.set(node, pathLength)
        paint(node, pathLength)
      }}
    />
  )

  await refresh()
  const timer = setInterval(refresh, REFRESH_MS)
  api.lifecycle.onDispose(() => clearInterval(timer))
  const slots = { home_prompt_right: badge(PATH_LENGTH.home), session_prompt_right: badge(PATH_LENGTH.session) }
  api.slots.register({ order: 50, slots })
}

export default { id: "remote-code-badge", tui }
