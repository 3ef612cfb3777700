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

/** Indexes of whole entries (`name=value`) and of the first entry with a name. */
export const STATIC_INDEX: ReadonlyMap<string, number> = indexStaticTable()

function indexStaticTable(): Map<string, number> {
  const index = new Map<string, number>()
  STATIC_TABLE.forEach(({ name, value }, i) => {
    if (!index.has(name)) index.set(name, i + 1)
    if (value !== '') index.set(`${name}=${value}`, i + 1)
  })
  return index
}
