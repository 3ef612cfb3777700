import { type Clock, Scope } from '@ambient/lifecycle'
import type { Logger, Metrics } from '@ambient/telemetry'
import { Budget } from '../agent/budget.ts'
import { cniLimits } from '../agent/cni-limits.ts'
import { CniError, messageOf } from '../cni-error.ts'
import { ConfDirectory } from './conf-directory.ts'
import { DirectoryWatch } from './directory-watch.ts'
import { planConf, planConfRemoval, type ConfSettings } from './plan-conf.ts'
import { PluginBinary } from './plugin-binary.ts'

export interface InstallationOptions {
  /** Where the runtime looks for networks, and for plugins, as this process sees them. */
  readonly confDirectory: string
  readonly binDirectory: string
  /** The plugin that belongs to this agent. */
  readonly pluginFile: string
  readonly settings: ConfSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: Metrics
}

export type InstallState =
  /** `file` is what the runtime takes, made from the network in `source`. */
  | { readonly kind: 'installed'; readonly file: string; readonly source: string }
  /** There is no primary yet; ours is not to be the one that makes the node ready. */
  | { readonly kind: 'waiting'; readonly because: string }
  | { readonly kind: 'failed'; readonly because: string }

/**
 * Keeps our plugin and the configuration that calls it in place, whatever others write there. Each look compares everything;
 * a change in either directory only makes it come sooner.
 */
export class Installation implements AsyncDisposable {
  readonly #options: InstallationOptions
  readonly #conf: ConfDirectory
  readonly #binary: PluginBinary
  readonly #budget: Budget
  readonly #scope = new Scope()
  #state: InstallState = { kind: 'waiting', because: 'not looked yet' }
  #wake: () => void = () => {}
  #running: Promise<void> = Promise.resolve()

  private constructor(options: InstallationOptions) {
    this.#options = options
    this.#conf = new ConfDirectory(options.confDirectory)
    this.#binary = new PluginBinary(options.pluginFile, options.binDirectory)
    const { rewriteBurst, rewriteRefillMs } = cniLimits
    this.#budget = new Budget(rewriteBurst, rewriteRefillMs, options.clock.monotonicMs())
  }

  /** The first look is over when this returns; its outcome is `state`. */
  static start(options: InstallationOptions): Installation {
    const installation = new Installation(options)
    installation.#running = installation.#run()
    return installation
  }

  get state(): InstallState {
    return this.#state
  }

  /** Ends the watching. What is installed stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]()
    this.#wake()
    await this.#running
  }

  /**
   * Ends the watching and takes everything away, the configuration first: a runtime whose configuration calls a plugin that is
   * not there can start no pod at all.
   *
   * @throws whatever kept a file from being changed; the plugin stays then
   */
  async uninstall(): Promise<void> {
    await this[Symbol.asyncDispose]()
    const { write, remove } = planConfRemoval(this.#conf.read())
    for (const file of write) this.#conf.write(file)
    for (const name of remove) this.#conf.remove(name)
    this.#binary.remove()
    this.#options.logger.info('plugin uninstalled', {
      changed: write.map(({ name }) => name).join(','),
      removed: remove.join(','),
    })
  }

  async #run(): Promise<void> {
    const { signal } = this.#scope
    const watch = this.#scope.use(new DirectoryWatch(() => this.#wake()))
    while (!signal.aborted) {
      const changed = this.#nextChange()
      watch.renew([this.#options.confDirectory, this.#options.binDirectory]) // before the look: nothing is lost between
      if (this.#look()) await this.#pace(signal)
      await changed
    }
  }

  /** Resolves at the next hint of a change, or after a while. */
  #nextChange(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, cniLimits.installLookMs)
    this.#wake = () => {
      clearTimeout(timer)
      resolve()
    }
    return promise
  }

  /** @returns whether something had to be written again that was in place before */
  #look(): boolean {
    const wasInstalled = this.#state.kind === 'installed'
    try {
      const isCopied = this.#ensureBinary()
      const isWritten = this.#ensureConf()
      if (this.#state.kind !== 'installed' || !(isCopied || isWritten || !wasInstalled)) return false
      this.#options.metrics.add('istio_cni_installs_total', 1, ['SUCCESS'])
      return wasInstalled
    } catch (cause) {
      const isBinary = cause instanceof CniError && cause.code === 'PLUGIN_NOT_INSTALLED'
      const result = isBinary ? 'COPY_BINARIES_FAILURE' : 'CREATE_CNI_CONFIG_FAILURE'
      this.#options.metrics.add('istio_cni_installs_total', 1, [result])
      this.#become({ kind: 'failed', because: messageOf(cause) })
      return false
    }
  }

  #ensureBinary(): boolean {
    const { binDirectory, clock } = this.#options
    return orRefuse('PLUGIN_NOT_INSTALLED', `put the plugin into ${binDirectory}`, () => {
      this.#binary.sweep(clock.nowMs())
      return this.#binary.ensure()
    })
  }

  #ensureConf(): boolean {
    const { settings, confDirectory, clock, logger } = this.#options
    return orRefuse('NETWORK_NOT_CONFIGURED', `change the networks in ${confDirectory}`, () => {
      this.#conf.sweep(clock.nowMs())
      const plan = planConf(this.#conf.read(), settings)
      if (plan.kind === 'wait')
        this.#become({ kind: 'waiting', because: `${confDirectory}: ${plan.because}` })
      if (plan.kind === 'impossible') throw new CniError('NETWORK_NOT_CONFIGURED', plan.because)
      if (plan.kind === 'in-place') this.#become({ kind: 'installed', file: plan.name, source: plan.source })
      if (plan.kind !== 'change') return false
      this.#conf.write(plan.write)
      for (const name of plan.remove) this.#conf.remove(name)
      logger.info('network written', {
        file: plan.write.name,
        from: plan.source,
        removed: plan.remove.join(','),
      })
      this.#become({ kind: 'installed', file: plan.write.name, source: plan.source })
      return true
    })
  }

  #become(state: InstallState): void {
    const { logger, metrics, settings } = this.#options
    metrics.set('istio_cni_install_ready', state.kind === 'installed' ? 1 : 0)
    const isNews = JSON.stringify(state) !== JSON.stringify(this.#state)
    this.#state = state
    if (!isNews) return
    if (state.kind === 'installed') logger.info('plugin installed', { file: state.file, from: state.source })
    if (state.kind === 'installed' && state.file === state.source && settings.mode === 'owned')
      logger.warn('there is no primary network any more; its last copy stays in force', { file: state.file })
    if (state.kind === 'waiting') logger.warn('no primary network yet', { because: state.because })
    if (state.kind === 'failed')
      logger.error('plugin cannot be installed; trying again', { error: state.because })
  }

  /** Two that write the same file for ever must not fill the node's time. */
  async #pace(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options
    if (this.#budget.take(clock.monotonicMs())) return
    logger.warn('somebody else keeps changing what we install; with Cilium, set cni.exclusive=false', {
      reason: 'NETWORK_NOT_CONFIGURED',
    })
    await clock.sleep(cniLimits.rewritePauseMs, signal).catch(() => {}) // rejects only when it is to end
  }
}

function orRefuse<T>(code: 'PLUGIN_NOT_INSTALLED' | 'NETWORK_NOT_CONFIGURED', what: string, act: () => T): T {
  try {
    return act()
  } catch (cause) {
    if (cause instanceof CniError) throw cause
    throw new CniError(code, `Cannot ${what}: ${messageOf(cause)}`, { cause })
  }
}
