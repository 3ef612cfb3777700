/**
 * What `@peculiar/x509` asks of `Reflect` when it is loaded: its container wants to look decorator metadata up. None is
 * ever there, so the answer is nothing.
 */
const answers = {
  getMetadata: (): undefined => undefined,
  getOwnMetadata: (): undefined => undefined,
  hasOwnMetadata: (): boolean => false,
  defineMetadata: (): void => {},
}

for (const [name, value] of Object.entries(answers)) {
  if (!(name in Reflect)) Object.defineProperty(Reflect, name, { value, configurable: true, writable: true })
}
