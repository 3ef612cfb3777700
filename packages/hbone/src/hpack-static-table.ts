import type { HeaderField } from './header-field.ts'

/** RFC 7541, appendix A: entry 1 is the first. */
export const STATIC_TABLE: readonly HeaderField[] = (
  ':authority;:method=GET;:method=POST;:path=/;:path=/index.html;:scheme=http;:scheme=https;:status=200;:status=204;' +
  ':status=206;:status=304;:status=400;:status=404;:status=500;accept-charset;accept-encoding=gzip, deflate;' +
  'accept-language;accept-ranges;accept;access-control-allow-origin;age;allow;authorization;cache-control;' +
  'content-disposition;content-encoding;content-language;content-length;content-location;content-range;content-type;' +
  'cookie;date;etag;expect;expires;from;host;if-match;if-modified-since;if-none-match;if-range;if-unmodified-since;' +
  'last-modified;link;location;max-forwards;proxy-authenticate;proxy-authorization;range;referer;refresh;retry-after;' +
  'server;set-cookie;strict-transport-security;transfer-encoding;user-agent;vary;via;www-authenticate'
)
  .split(';')
  .map((entry) => {
    const at = entry.indexOf('=', 1)
    return at < 0 ? { name: entry, value: '' } : { name: entry.slice(0, at), value: entry.slice(at + 1) }
  })

/** Where a name is first, and where with a value of its own. */
export interface StaticName {
  readonly first: number
  readonly byValue: ReadonlyMap<string, number>
}

export const STATIC_NAMES: ReadonlyMap<string, StaticName> = indexStaticTable()

function indexStaticTable(): Map<string, StaticName> {
  const names = new Map<string, { first: number; byValue: Map<string, number> }>()
  STATIC_TABLE.forEach(({ name, value }, i) => {
    const known = names.get(name) ?? { first: i + 1, byValue: new Map() }
    names.set(name, known)
    if (value !== '') known.byValue.set(value, i + 1)
  })
  return names
}
