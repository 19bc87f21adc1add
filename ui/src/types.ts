/** The answers of the API, as far as the page reads them. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Arguments = Record<string, Json>;

export interface Sample {
  sample: number;
  timestamp: number;
}

export interface Details {
  rate: number;
  samples?: Sample[];
}

/** Counters; beside each, `NAME_details` has its rate. */
export type Counters = Record<string, number | Details | undefined>;

/** What is counted between two objects, of which one is named: see the rates mode `detailed`. */
export interface Pair {
  stats: Counters;
  exchange?: { name: string; vhost: string };
  queue?: { name: string; vhost: string };
  channel_details?: ChannelDetails | [];
}

export interface Page<T> {
  items: T[];
  page: number;
  page_count: number;
  page_size: number;
  item_count: number;
  filtered_count: number;
  total_count: number;
}

export interface WhoAmI {
  name: string;
  tags: string[] | string;
}

export interface Listener {
  node: string;
  protocol: string;
  ip_address: string;
  port: number;
  tls?: boolean;
}

export interface Overview {
  management_version: string;
  rabbitmq_version: string;
  product_name: string;
  product_version: string;
  cluster_name: string;
  erlang_full_version: string;
  node?: string;
  rates_mode: string;
  disable_stats: boolean;
  exchange_types: { name: string; description: string; enabled: boolean }[];
  message_stats?: Counters;
  queue_totals?: Counters;
  object_totals: Record<string, number>;
  churn_rates?: Counters;
  listeners?: Listener[];
}

export interface NodeFacts {
  name: string;
  running: boolean;
  os_pid?: string;
  uptime?: number;
  processors?: number;
  mem_used?: number;
  mem_limit?: number;
  mem_alarm?: boolean;
  disk_free?: number;
  disk_free_limit?: number;
  disk_free_alarm?: boolean;
  fd_used?: number;
  fd_total?: number;
  sockets_used?: number;
  sockets_total?: number;
  db_dir?: string;
  mem_used_details?: Details;
  /** Microseconds: the longest round of the event loop when the last samples were taken. */
  event_loop_lag_us?: number;
  event_loop_lag_us_details?: Details;
  sockets_used_details?: Details;
  disk_free_details?: Details;
}

export interface Queue {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  exclusive: boolean;
  arguments: Arguments;
  state: string;
  policy?: string | null;
  operator_policy?: string | null;
  effective_policy_definition?: Arguments | null;
  consumers?: number;
  consumer_capacity?: number;
  messages?: number;
  messages_ready?: number;
  messages_unacknowledged?: number;
  messages_ram?: number;
  messages_paged_out?: number;
  messages_persistent?: number;
  message_bytes?: number;
  message_bytes_ready?: number;
  message_bytes_unacknowledged?: number;
  message_bytes_ram?: number;
  message_bytes_persistent?: number;
  messages_details?: Details;
  messages_ready_details?: Details;
  messages_unacknowledged_details?: Details;
  memory?: number;
  /** Of a stream. */
  segments?: number;
  message_stats?: Counters;
  /** Exchanges that route to it, and channels that it delivers to. */
  incoming?: Pair[];
  deliveries?: Pair[];
  idle_since?: string;
  head_message_timestamp?: number | null;
  single_active_consumer_tag?: string | null;
  exclusive_consumer_tag?: string | null;
  owner_pid_details?: { name?: string; peer_host?: string; peer_port?: number };
  consumer_details?: Consumer[];
  node?: string;
}

export interface Exchange {
  name: string;
  vhost: string;
  type: string;
  durable: boolean;
  auto_delete: boolean;
  internal: boolean;
  arguments: Arguments;
  policy?: string | null;
  message_stats?: Counters;
  /** Channels that publish to it, and queues that it routes to. */
  incoming?: Pair[];
  outgoing?: Pair[];
}

export interface Binding {
  source: string;
  vhost: string;
  destination: string;
  destination_type: "queue" | "exchange";
  routing_key: string;
  arguments: Arguments;
  properties_key: string;
}

export interface ChannelDetails {
  name: string;
  number: number;
  user: string;
  connection_name: string;
  peer_host: string;
  peer_port: number;
}

export interface Consumer {
  queue: { name: string; vhost: string };
  consumer_tag: string;
  channel_details: ChannelDetails | [];
  ack_required: boolean;
  exclusive: boolean;
  prefetch_count: number;
  arguments: Arguments;
  active: boolean;
  activity_status: string;
}

export interface Connection {
  name: string;
  vhost?: string;
  user?: string;
  user_provided_name?: string;
  state?: string;
  protocol?: string;
  type?: string;
  ssl?: boolean;
  ssl_protocol?: string;
  ssl_cipher?: string;
  channels?: number;
  channel_max?: number;
  frame_max?: number;
  timeout?: number;
  connected_at?: number;
  peer_host?: string;
  peer_port?: number;
  host?: string;
  port?: number;
  auth_mechanism?: string;
  client_properties?: Arguments;
  recv_oct?: number;
  recv_oct_details?: Details;
  send_oct?: number;
  send_oct_details?: Details;
}

export interface Channel {
  name: string;
  number: number;
  vhost?: string;
  user?: string;
  state?: string;
  confirm?: boolean;
  transactional?: boolean;
  consumer_count?: number;
  prefetch_count?: number;
  global_prefetch_count?: number;
  messages_unacknowledged?: number;
  messages_unconfirmed?: number;
  messages_uncommitted?: number;
  acks_uncommitted?: number;
  idle_since?: string;
  message_stats?: Counters;
  /** Exchanges that it publishes to, and queues that deliver to it. */
  publishes?: Pair[];
  deliveries?: Pair[];
  connection_details?: { name?: string; peer_host?: string; peer_port?: number } | [];
  consumer_details?: Consumer[];
}

export interface Vhost {
  name: string;
  description?: string;
  tags?: Json[];
  default_queue_type?: string;
  metadata?: { description?: string; tags?: Json[]; default_queue_type?: string };
  protected_from_deletion?: boolean;
  tracing: boolean;
  cluster_state?: Record<string, string>;
  messages?: number;
  messages_ready?: number;
  messages_unacknowledged?: number;
  messages_ready_details?: Details;
  messages_unacknowledged_details?: Details;
  message_stats?: Counters;
  recv_oct_details?: Details;
  send_oct_details?: Details;
}

export interface User {
  name: string;
  password_hash?: string;
  hashing_algorithm?: string;
  tags: string[] | string;
  limits?: Record<string, number>;
}

export interface Permission {
  user: string;
  vhost: string;
  configure: string;
  write: string;
  read: string;
}

export interface TopicPermission {
  user: string;
  vhost: string;
  exchange: string;
  write: string;
  read: string;
}

export interface Policy {
  vhost: string;
  name: string;
  pattern: string;
  "apply-to": string;
  priority: number;
  definition: Arguments;
}

export interface VhostLimits {
  vhost: string;
  value: Record<string, number>;
}

export interface UserLimits {
  user: string;
  value: Record<string, number>;
}
