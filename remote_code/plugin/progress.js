/**
 * What a call shows while it runs. OpenCode 1.18 hands a plugin's tool a `metadata` function that only describes the
 * change (an Effect, which its built-in tools run); so the part of the message is changed through OpenCode's API.
 */

/** @typedef {import("@opencode-ai/plugin").PluginInput["client"]} Client */
/** @typedef {import("@opencode-ai/plugin").ToolContext & {callID?: string}} ToolContext */
/** @typedef {{title?: string, metadata: Record<string, any>}} Update */

export class Progress {
  /**
   * @param {Client} client
   * @param {ToolContext} context
   */
  constructor(client, context) {
    this.client = client
    this.context = context
    /** @type {Update | null} */
    this.next = null
    /** @type {Promise<void> | null} */
    this.sending = null
    this.isOver = false
  }

  /**
   * Shows the newest state; one that comes while another is on its way replaces what waits.
   * @param {Update} update
   */
  show(update) {
    const described = /** @type {unknown} */ (this.context.metadata(update))
    const wasDone = typeof described !== "object" || described === null
    if (wasDone || this.isOver) return
    this.next = update
    this.sending ??= this.send().finally(() => (this.sending = null))
  }

  /** Waits for the change under way: after this no other comes, so none can hide the call's result. */
  async end() {
    this.isOver = true
    await this.sending
  }

  async send() {
    try {
      const part = await this.find()
      while (part && this.next && !this.isOver) {
        const { title, metadata } = this.next
        this.next = null
        await this.replace({ ...part, state: { ...part.state, ...(title && { title }), metadata } })
      }
    } catch {
      // The call goes on without being watched.
    }
  }

  /** @returns {Promise<any>} the running part of this call */
  async find() {
    const { sessionID, messageID, callID } = this.context
    const { data } = await this.client.session.message({ path: { id: sessionID, messageID } })
    return data?.parts.find((part) => part.type === "tool" && part.callID === callID && part.state.status === "running")
  }

  /** @param {any} part */
  async replace(part) {
    // The SDK's first version, which plugins get, has no method for this; its transport has.
    const { _client: transport } = /** @type {any} */ (this.client)
    const url = `/session/${part.sessionID}/message/${part.messageID}/part/${part.id}`
    await transport.patch({ url, body: part, headers: { "Content-Type": "application/json" } })
  }
}
