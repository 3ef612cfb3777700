import { CodedError } from '@ambient/lifecycle'

export type TelemetryErrorCode = 'LEVEL_FILTER_INVALID' | 'METRIC_MISUSED' | 'LIMIT_INVALID'

export class TelemetryError extends CodedError<TelemetryErrorCode> {}
