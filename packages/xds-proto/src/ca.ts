import { istio } from './generated/messages.js'
import { fromStruct, type JsonObject, toStruct } from './struct.ts'

const { IstioCertificateRequest, IstioCertificateResponse } = istio.v1.auth

export const CREATE_CERTIFICATE_PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate'

export interface CertificateRequest {
  /** PEM. */
  readonly csr: string
  readonly validitySeconds: number
  readonly metadata: JsonObject
}

export interface CertificateResponse {
  /** PEM: leaf, each intermediate, then all roots in one element. */
  readonly certChain: readonly string[]
}

export function encodeCertificateRequest({ csr, validitySeconds, metadata }: CertificateRequest): Buffer {
  return Buffer.from(
    IstioCertificateRequest.encode({
      csr,
      validityDuration: validitySeconds,
      metadata: toStruct(metadata),
    }).finish(),
  )
}

/** @throws {Error} when the bytes are no such message. */
export function decodeCertificateRequest(bytes: Uint8Array): CertificateRequest {
  const { csr, validityDuration, metadata } = IstioCertificateRequest.decode(bytes)
  return { csr, validitySeconds: validityDuration, metadata: fromStruct(metadata) }
}

export function encodeCertificateResponse({ certChain }: CertificateResponse): Buffer {
  return Buffer.from(IstioCertificateResponse.encode({ certChain: [...certChain] }).finish())
}

/** @throws {Error} when the bytes are no such message. */
export function decodeCertificateResponse(bytes: Uint8Array): CertificateResponse {
  return { certChain: IstioCertificateResponse.decode(bytes).certChain }
}
