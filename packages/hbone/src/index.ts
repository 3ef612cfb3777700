export { formatAuthority, parseAuthority, type Authority } from './authority.ts'
