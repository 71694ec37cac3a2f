/** Plugins for Millstream in TypeScript and JavaScript. The README beside this package is the tutorial. */

export { Batch, type Block, encodeUnion, type Side, Union } from './batch/batch';
export { Column } from './batch/column';
export { encodeColumn } from './batch/encode';
export { Kind, Role } from './batch/layout';
export { batchOf } from './collect';
export { ConfigMap, type ConfigOf, type Importance, Key, key, type Keys, type KeyType, parseConfig, type Width } from './config';
export {
  ConnectorContext,
  isLeaseLost,
  Lease,
  type OffsetMap,
  rest,
  SinkContext,
  SourceContext,
  type TopicOffset,
  type TopicPartition,
  type TopicReport,
  TransactionContext,
  wait,
} from './context';
export { ConfigError, DataError, type ErrorDetails, type ErrorKind, FatalError, javaExceptions, PluginError, RetriableError } from './errors';
export { Cursor, cursor, FieldCursor, mapField, valueAt } from './fields';
export { File } from './file';
export { http, type HttpCause, type HttpOptions, type HttpPending, HttpResponse } from './http';
export { log, type LogLevel } from './log';
export { metrics, type Progress } from './metrics';
export { opens, type Opens } from './opens';
export {
  type CommittedRow,
  type Connector,
  type Converter,
  converter,
  type ConverterRole,
  type Datum,
  headerConverter,
  type Plugin,
  Plugins,
  plugins,
  type PollLimits,
  type Predicate,
  predicate,
  type SinkTask,
  sink,
  type SourceTask,
  source,
  type Subject,
  type Support,
  type Transform,
  transform,
} from './plugins';
export type { ConnectRecord, Header, SinkRecord, SourceRecord, TransformRecord } from './record';
export { Records } from './records';
export { type Field, logicalNames, Schema, type SchemaType } from './schema';
export { Database, quoted, Rows, type SqlParameter, Statement } from './sql';
export { HostColumn, HostTable, Made } from './table';
export { decodeUtf8, encodeUtf8, tryDecodeUtf8 } from './utf8';
export { Decimal, float32, float64, int16, int32, int8, type Int64, javaClass, type NumberType, Struct, Typed, type Value, type ValueMap, valueText } from './values';
export { type Validator, validators } from './validator';
export { Verdict } from './verdict';
