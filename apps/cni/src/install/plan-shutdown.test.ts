import { expect, test } from 'vitest'
import { type OwnDaemonSet, planShutdown, type ShutdownSettings } from './plan-shutdown.ts'

const found: OwnDaemonSet = { kind: 'found', isDeleted: false, selectsNode: true }
const safe: ShutdownSettings = { safeUpgrade: true, mode: 'owned' }
const unknown: OwnDaemonSet = { kind: 'unknown', error: 'no answer' }

test.each([
  { seen: found, settings: safe, kind: 'leave' },
  { seen: { ...found, isDeleted: true }, settings: safe, kind: 'uninstall' },
  { seen: { ...found, selectsNode: false }, settings: safe, kind: 'uninstall' },
  { seen: { kind: 'missing' }, settings: safe, kind: 'uninstall' },
  { seen: { kind: 'unauthorized' }, settings: safe, kind: 'uninstall' },
  { seen: unknown, settings: safe, kind: 'leave' },
  { seen: unknown, settings: { ...safe, isEnding: true }, kind: 'uninstall' },
  { seen: unknown, settings: { ...safe, mode: 'chained' }, kind: 'uninstall' },
  { seen: unknown, settings: { ...safe, mode: 'standalone' }, kind: 'uninstall' },
  { seen: found, settings: { ...safe, mode: 'chained' }, kind: 'leave' },
  { seen: found, settings: { ...safe, safeUpgrade: false }, kind: 'uninstall' },
] satisfies { seen: OwnDaemonSet; settings: ShutdownSettings; kind: string }[])(
  'planShutdown() decides to $kind for $seen with $settings',
  ({ seen, settings, kind }) => {
    expect(planShutdown(seen, settings).kind).toBe(kind)
  },
)
