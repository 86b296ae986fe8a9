/**
 * Remote Code for OpenCode: the seven file and shell tools act on the machine of REMOTE_SSH.
 *
 * Without REMOTE_SSH this registers nothing. With it, one engine per OpenCode process does the work; this file only
 * forwards: calls, progress, permission questions, aborts, and what has to be rewritten for the model.
 */
import fs from "node:fs"
import { Engine, EngineError } from "./engine.js"
import { Progress } from "./progress.js"
import { SOCKET, arm, refuseUnlessArmed } from "./shell.js"
import { removeOwnFiles, removeStaleFiles, writeStatus } from "./status.js"

/** @typedef {import("@opencode-ai/plugin").PluginInput} PluginInput */
/** @typedef {import("@opencode-ai/plugin").Hooks} Hooks */
/** @typedef {import("@opencode-ai/plugin").ToolContext & {callID?: string}} ToolContext */
/** @typedef {{name: string, description: string, inputSchema: Record<string, any>}} Tool */
/** @typedef {{context: ToolContext, progress: Progress, rejection?: unknown}} Call and why the person stopped it */
/** @typedef {Record<string, any>} Params */

/** Passwords go to the engine alone: no other child of OpenCode inherits them. */
const secrets = takeFromEnvironment(["REMOTE_PASSWORD", "REMOTE_SUDO_PASSWORD"])

if (process.env.REMOTE_SSH) process.once("exit", removeOwnFiles)

/** @type {Map<string, Call>} */
const calls = new Map()

/** @type {Engine | null} */
let engine = null
/** How many plugin instances (opened directories) use the engine. */
let n_users = 0

/**
 * @param {PluginInput} input
 * @param {{command?: string[]}} [options] written by `remote-code install`
 * @returns {Promise<Hooks>}
 */
async function server(input, options) {
  if (!process.env.REMOTE_SSH) return {}
  const command = engineCommand(options)
  const used = acquireEngine(command, input.client)
  const { directory, worktree } = input
  const tools = readTools()
  const schemas = new Map(tools.map((tool) => [tool.name, tool]))
  /** @type {Params | undefined} */
  let config

  return {
    tool: Object.fromEntries(tools.map((tool) => [tool.name, definition(tool, used, input.client)])),

    async config(merged) {
      config = /** @type {Params} */ (merged) // The SDK's type does not know `shell` and `tool_output`.
      used.initialize(initialization(input, config))
      arm(config, command)
    },

    // OpenCode lists every argument of a plugin's tool as required; the schema itself knows better.
    async "tool.definition"({ toolID }, output) {
      const tool = schemas.get(toolID)
      if (tool) Object.assign(output, { description: tool.description, jsonSchema: tool.inputSchema })
    },

    async "experimental.chat.system.transform"({ sessionID }, output) {
      const params = { system: output.system, sessionId: sessionID, directory, worktree }
      const answer = await used.request("system/rewrite", params).catch((error) => ({
        system: output.system.map((text) => withoutLocalParts(text, error)),
      }))
      output.system.splice(0, output.system.length, ...answer.system)
    },

    async "chat.message"({ sessionID }, output) {
      const params = { parts: output.parts, sessionId: sessionID, directory }
      const answer = await used.request("message/rewrite", params).catch(() => ({
        parts: output.parts.filter((part) => part.type === "text" && !part.synthetic),
      }))
      output.parts.splice(0, output.parts.length, ...answer.parts)
    },

    async "shell.env"({ sessionID, callID }, output) {
      if (!callID) return // A terminal of the person: it stays on this machine.
      refuseUnlessArmed(config)
      Object.assign(output.env, { REMOTE_CODE_SESSION: sessionID, REMOTE_CODE_CALL: callID })
    },

    async dispose() {
      releaseEngine(used)
    },
  }
}

/**
 * The tool as OpenCode wants it: arguments are handed on as they are, the engine checks them.
 * @param {Tool} tool
 * @param {Engine} used
 * @param {PluginInput["client"]} client
 */
function definition(tool, used, client) {
  return {
    description: tool.description,
    args: tool.inputSchema.properties,
    /**
     * @param {Params} args
     * @param {ToolContext} context
     */
    async execute(args, context) {
      const given = context.callID
      const callId = given && !calls.has(given) ? given : crypto.randomUUID()
      /** @type {Call} */
      const call = { context, progress: new Progress(client, context) }
      const cancel = () => used.notify("tool/cancel", { callId })
      calls.set(callId, call)
      try {
        const { sessionID: sessionId, agent, directory, abort } = context
        abort.addEventListener("abort", cancel)
        return await used.request("tool/call", { callId, name: tool.name, args, sessionId, agent, directory }, abort)
      } catch (error) {
        const isRejection = error instanceof EngineError && error.kind === "permission_rejected"
        // OpenCode knows its own error objects by their class: the run stops, or goes on, as it does for its own tools.
        throw isRejection && call.rejection ? call.rejection : error
      } finally {
        context.abort.removeEventListener("abort", cancel)
        calls.delete(callId)
        await call.progress.end()
      }
    },
  }
}

/**
 * @param {string[]} command
 * @param {PluginInput["client"]} client
 */
function acquireEngine(command, client) {
  n_users += 1
  if (engine) return engine
  removeStaleFiles()
  /** @type {string | undefined} */
  let lastError
  /** @param {Params} status */
  const show = (status) => {
    writeStatus(status)
    const error = status.state === "failed" ? status.error?.message ?? status.error : undefined
    if (error && error !== lastError) toast(client, String(error), "error")
    lastError = error
  }
  engine = new Engine({
    command,
    secrets,
    onRequest: (method, params) => ask(method, params),
    onNotification(method, params) {
      if (method === "status/changed") show(params)
      if (method === "tool/progress") calls.get(params.callId)?.progress.show({ title: params.title, metadata: params.metadata })
    },
    onCrash(error, willRestart) {
      if (willRestart) toast(client, `${error.message}. It was started again.`, "warning")
      else show({ state: "failed", host: null, workdir: null, rttMs: null, error: { message: error.message } })
    },
  })
  return engine
}

/** @param {Engine} used */
function releaseEngine(used) {
  n_users -= 1
  if (n_users > 0) return
  used.close()
  engine = null
  removeOwnFiles()
}

/**
 * Puts the engine's question to the person, by OpenCode's own rules and dialogs.
 * @param {string} method
 * @param {Params} params
 */
async function ask(method, params) {
  const call = calls.get(params.callId)
  if (method !== "permission/ask" || !call) throw new Error(`nobody can answer ${method} for call ${params.callId}`)
  const { permission, patterns, always } = params
  const metadata = process.env.OPENCODE_CLIENT === "acp" ? toBeShownOnly(params.metadata) : params.metadata
  try {
    await call.context.ask({ permission, patterns, always, metadata })
  } catch (error) {
    call.rejection = error
    throw error
  }
}

/**
 * An edit that was granted in an editor (ACP) is also written by that editor, to `filepath` on this machine: OpenCode
 * asks it to. From `filePath` OpenCode only shows the path and the difference.
 * @param {Params} metadata
 */
function toBeShownOnly({ filepath, ...others }) {
  return filepath === undefined ? others : { ...others, filePath: filepath }
}

/**
 * @param {PluginInput} input
 * @param {Params} config
 */
function initialization({ directory, worktree }, config) {
  const { max_lines: maxLines, max_bytes: maxBytes } = config.tool_output ?? {}
  const client = { name: "opencode", version: process.env.OPENCODE_VERSION ?? "" }
  return { protocolVersion: 1, client, directory, worktree, limits: { maxLines, maxBytes }, execSocket: SOCKET }
}

/**
 * What is left of a system prompt when no engine can rewrite it: nothing after the environment's heading.
 * @param {string} text
 * @param {Error} error
 */
function withoutLocalParts(text, error) {
  const [kept, ...cut] = text.split("Here is some useful information about the environment you are running in:")
  return cut.length ? `${kept}The remote machine cannot be reached: ${error.message}` : text
}

/** @returns {Tool[]} */
function readTools() {
  return JSON.parse(fs.readFileSync(new URL("./tools.json", import.meta.url), "utf8"))
}

/** @param {{command?: string[]}} [options] */
function engineCommand(options) {
  const words = process.env.REMOTE_CODE_COMMAND?.match(/"[^"]*"|'[^']*'|\S+/g)
  return words?.map((word) => word.replace(/^(["'])(.*)\1$/, "$2")) ?? options?.command ?? ["remote-code"]
}

/**
 * @param {string[]} names
 * @returns {Record<string, string>}
 */
function takeFromEnvironment(names) {
  /** @type {Record<string, string>} */
  const taken = {}
  if (!process.env.REMOTE_SSH) return taken
  for (const name of names) {
    const value = process.env[name]
    if (value !== undefined) taken[name] = value
    delete process.env[name]
  }
  return taken
}

/**
 * @param {PluginInput["client"]} client
 * @param {string} message
 * @param {"warning" | "error"} variant
 */
function toast(client, message, variant) {
  client.tui.showToast({ body: { title: "Remote Code", message, variant } }).catch(() => {})
}

export default { id: "remote-code", server }
