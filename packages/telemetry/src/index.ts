export { accessLine, type AccessEndpoint, type AccessError, type AccessRecord } from './access-line.ts'
export {
  type HttpAnswer,
  type HttpEndpoint,
  type HttpRequest,
  type HttpRoute,
  serveHttp,
} from './http-endpoint.ts'
export { LevelFilter, type LogLevel, logLevels } from './level-filter.ts'
export {
  defineLimits,
  type LimitDefinition,
  type LimitTable,
  type LimitValues,
  limitValues,
} from './limits.ts'
export { isAddressInfo } from './listen-address.ts'
export { LineWriter, type LineWriterOptions } from './line-writer.ts'
export { LOG_LIMITS } from './log-limits.ts'
export { formatLogLine, type LogField, type LogFormat, type LogLine } from './log-line.ts'
export { createLogger, type LogFields, type Logger, type LoggerOptions } from './logger.ts'
export {
  type CounterName,
  createMetrics,
  type GaugeName,
  type HistogramName,
  METRICS_LIMITS,
  type Metrics,
  type MetricsLimits,
} from './metrics/create-metrics.ts'
export { type MetricDefinition, type MetricName, metricTable } from './metrics/metric-table.ts'
export { type TrafficLabelName, trafficLabelNames } from './metrics/traffic-labels.ts'
export { illegalPorts, type PortDefinition, ports } from './ports.ts'
export type { Reason, ReasonComponent, ResponseFlag } from './reasons/reason.ts'
export {
  type ControlReasonCode,
  isReasonCode,
  reason,
  type ReasonCode,
  reasons,
  type TrafficReasonCode,
} from './reasons/reasons.ts'
export { TelemetryError, type TelemetryErrorCode } from './telemetry-error.ts'
