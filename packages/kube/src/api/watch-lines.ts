import { StringDecoder } from 'node:string_decoder'

/**
 * Cuts a stream into lines.
 *
 * @param maxChars A longer line throws: without a bound, a broken peer could fill the memory.
 */
export async function* watchLines(
  chunks: AsyncIterable<Uint8Array>,
  maxChars: number,
): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of chunks) {
    rest += decoder.write(chunk)
    let start = 0
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
      yield rest.slice(start, end)
      start = end + 1
    }
    rest = rest.slice(start)
    if (rest.length > maxChars) throw new Error(`Cannot read a line of more than ${maxChars} characters`)
  }
}
