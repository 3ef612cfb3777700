/** What `--sabotage` breaks, on purpose, so that one can see the demo notice. */
export const SABOTAGES = ['plaintext', 'identity', 'policy', 'leak'] as const
export type Sabotage = (typeof SABOTAGES)[number]
