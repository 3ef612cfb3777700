export {
  callMetadata,
  type ChannelTarget,
  type ControlPlaneOptions,
  openChannel,
} from './control-plane-channel.ts'
export { type GrpcCredentials, type GrpcMethod, GrpcServer, type GrpcServerOptions } from './grpc-server.ts'
export { GrpcError, type GrpcStatus, grpcStatus, type GrpcStatusCode } from './grpc-status.ts'
export { deflateBody, type DeflatedBody, gzipMessage } from './gzip-message.ts'
export { GRPC_LIMITS, type GrpcLimits } from './limits.ts'
export { type GrpcCaller, type GrpcMessage, GrpcServerCall } from './server-call.ts'
export { unaryMethod } from './unary-method.ts'
