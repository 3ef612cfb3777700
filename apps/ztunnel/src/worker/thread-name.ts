/** Of a byte thread, as the kernel and profiles have it. */
export function threadName(index: number): string {
  return `ztunnel-${index}`
}
