/**
 * One engine (`remote-code serve`) as a child process: starts it, restarts it once when it crashes, and speaks
 * JSON-RPC 2.0 with it, one object per line, over its standard input and output.
 */
import { spawn } from "node:child_process"
import { StringDecoder } from "node:string_decoder"

/** How much of the engine's log is kept to explain a crash, in characters. */
const LOG_TAIL = 2000
/** An engine that lived this long earns another restart, in milliseconds. */
const STABLE_AFTER = 60_000

/** @typedef {Record<string, any>} Params */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting */

/** An error that the engine answered with; `kind` is the class name of protocol.md. */
export class EngineError extends Error {
  /** @param {{message: string, data?: Params}} error */
  constructor(error) {
    super(error.message)
    this.kind = String(error.data?.kind ?? "")
  }
}

export class Engine {
  /**
   * @param {object} options
   * @param {string[]} options.command words that start the engine, without `serve`
   * @param {Record<string, string>} options.secrets variables that only the engine gets
   * @param {(method: string, params: Params) => Promise<unknown>} options.onRequest answers what the engine asks
   * @param {(method: string, params: Params) => void} options.onNotification takes what the engine tells
   * @param {(error: Error, willRestart: boolean) => void} options.onCrash hears of an engine that ended by itself
   */
  constructor(options) {
    this.options = options
    this.isClosing = false
    this.isSpare = true
    this.startedAt = 0
    this.lastId = 0
    /** @type {Map<number, Waiting>} */
    this.waiting = new Map()
    /** @type {Error | null} */
    this.failure = null
    this.spawn()
  }

  spawn() {
    const [program, ...words] = this.options.command
    this.startedAt = Date.now()
    this.log = ""
    /** @type {Promise<Params> | null} */
    this.initialized = null
    const child = spawn(program, [...words, "serve"], {
      env: { ...process.env, ...this.options.secrets },
      stdio: ["pipe", "pipe", "pipe"],
      // A session of its own: Ctrl-C in the terminal is for OpenCode. The engine ends when its input closes.
      detached: process.platform !== "win32",
      windowsHide: true,
    })
    this.child = child
    this.readLines(child.stdout)
    child.stderr.setEncoding("utf8").on("data", (text) => {
      this.log = (this.log + text).slice(-LOG_TAIL)
    })
    child.stdin.on("error", () => {}) // A broken pipe is told by `close`, with the reason in the log.
    child.on("error", (error) => this.crashed(child, `cannot be started (${error.message})`))
    child.on("close", (status, signal) => this.crashed(child, `ended by itself (${signal ?? `status ${status}`})`))
    child.unref()
  }

  /**
   * Sends `initialize` once per process; later calls return the same answer.
   * @param {Params} [params] kept, and sent again to an engine that was restarted
   */
  initialize(params) {
    this.initialization = this.initialization ?? params ?? {}
    this.initialized = this.initialized ?? this.send("initialize", this.initialization)
    this.initialized.catch(() => {}) // The calls that wait for it have the error.
    return this.initialized
  }

  /**
   * @param {string} method
   * @param {Params} params
   * @param {AbortSignal} [signal] a request that was aborted while the engine started is never sent
   * @returns {Promise<any>}
   */
  async request(method, params, signal) {
    if (this.failure) throw this.failure
    await this.initialize()
    signal?.throwIfAborted()
    return this.send(method, params)
  }

  /**
   * @param {string} method
   * @param {Params} params
   */
  notify(method, params) {
    this.write({ method, params })
  }

  /** Closes the engine's input: it cleans up, here and on the remote, and ends. */
  close() {
    this.isClosing = true
    this.child?.stdin.end()
  }

  /**
   * @param {string} method
   * @param {Params} params
   * @returns {Promise<any>}
   */
  send(method, params) {
    if (this.failure) return Promise.reject(this.failure)
    const id = ++this.lastId
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject })
      this.write({ id, method, params })
    })
  }

  /** @param {Params} message */
  write(message) {
    this.child?.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n")
  }

  /** @param {import("node:stream").Readable} stream */
  readLines(stream) {
    // Not readline: it also splits at U+2028, which JSON text may hold.
    const decoder = new StringDecoder("utf8")
    /** @type {string[]} */
    let pieces = []
    stream.on("data", (bytes) => {
      const lines = decoder.write(bytes).split("\n")
      pieces.push(lines[0])
      for (const next of lines.slice(1)) {
        this.receive(pieces.join(""))
        pieces = [next]
      }
    })
  }

  /** @param {string} line */
  receive(line) {
    /** @type {Params} */
    let message
    try {
      message = JSON.parse(line)
    } catch {
      this.log = (this.log + line + "\n").slice(-LOG_TAIL)
      return
    }
    if (!message.method) return this.settle(message)
    if (message.id === undefined) return this.options.onNotification(message.method, message.params ?? {})
    this.options.onRequest(message.method, message.params ?? {}).then(
      (result) => this.write({ id: message.id, result: result ?? {} }),
      (error) => {
        const text = error instanceof Error ? error.message : String(error)
        this.write({ id: message.id, error: { code: -32010, message: text, data: { kind: "permission_rejected" } } })
      },
    )
  }

  /** @param {Params} message */
  settle(message) {
    const waiting = this.waiting.get(message.id)
    this.waiting.delete(message.id)
    if (message.error) waiting?.reject(new EngineError(message.error))
    else waiting?.resolve(message.result)
  }

  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} how
   */
  crashed(child, how) {
    if (child !== this.child || this.failure) return
    const words = this.options.command.join(" ")
    const lastWords = this.log.trim().split("\n").at(-1) ?? ""
    const error = new Error(`Remote Code's engine ("${words} serve") ${how}${lastWords && `: ${lastWords}`}`)
    const hadAnswered = this.lastId > this.waiting.size
    const isStable = this.isSpare || Date.now() - this.startedAt > STABLE_AFTER
    const willRestart = !this.isClosing && hadAnswered && isStable
    if (willRestart) this.isSpare = false
    else this.failure = error
    const underWay = new Error(`${error.message}. The outcome of this call is unknown; look at the remote before trying again`)
    for (const waiting of this.waiting.values()) waiting.reject(willRestart ? underWay : error)
    this.waiting.clear()
    if (this.isClosing) return
    if (willRestart) {
      this.spawn()
      this.initialize()
    }
    this.options.onCrash(error, willRestart)
  }
}
