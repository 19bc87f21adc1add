/** The answers of the API about messages: where they would go, where they are, what becomes of them. */
import type { Arguments, ChannelDetails, Json } from "./types.ts";

export interface Properties {
  headers?: Arguments;
  [name: string]: Json | undefined;
}

/** A message, as `get`, `peek` and `search` show it. */
export interface Message {
  exchange: string;
  routing_key: string;
  redelivered: boolean;
  /** An empty list if there are none. */
  properties: Properties | [];
  payload: string;
  payload_encoding: "string" | "base64";
  payload_bytes: number;
  message_count?: number;
  position?: number;
  state?: MessageState;
  ttl?: number;
  age?: number;
  retry_in?: number;
  delivery_tag?: number;
  consumer_tag?: string;
  channel_details?: ChannelDetails;
}

export type MessageState = "ready" | "unacked" | "held";

export interface Found {
  items: Message[];
  scanned: number;
  next_offset: number | null;
}

/** What messages are sought by; all of it must be so. A header or property of null may have any value. */
export interface MessageFilter {
  body?: string;
  routing_key?: string;
  exchange?: string;
  headers?: Arguments;
  properties?: Arguments;
  death_reason?: string;
  death_queue?: string;
}

/** An entry of `x-death`. */
export interface Death {
  count: number;
  reason: string;
  queue: string;
  exchange: string;
  routingKeys: string[];
  /** Milliseconds since 1970, of the first time. */
  at?: number;
  expiration?: string;
}

export interface MovedMessage extends Message {
  to: { exchange: string; routing_key: string; queues: string[] } | null;
  outcome: "moved" | "unroutable" | "refused" | "without_origin";
  reason?: string;
}

export interface Moved {
  scanned: number;
  matched: number;
  moved: number;
  unroutable: number;
  refused: number;
  without_origin: number;
  queues: Record<string, number>;
  reasons?: Record<string, number>;
  stopped?: string;
  items: MovedMessage[];
}

// --- explanations

export interface BindingTold {
  matched: boolean;
  destination: string;
  destination_type: string;
  routing_key: string;
  arguments: Arguments | [];
  reason: string;
  nearest: string[];
}

export interface ExchangeTold {
  name: string;
  type: string;
  came_by: string;
  after_ms: number;
  delay_ms: number;
  remark: string;
  bindings: BindingTold[];
  left_out: number;
  by_chance: boolean;
  alternate: { exchange: string; said_by: string; exists: boolean; used: boolean; nearest: string[] } | null;
}

export interface SettingTold {
  value: number | string;
  said_by: string;
  others: { value: number | string; said_by: string }[];
}

export interface DeadLettersTold {
  exchange: string;
  exchange_said_by: string;
  routing_key: string | null;
  exists: boolean;
  nearest: string[];
  queues: QueueTold[];
  back_to: string[];
  left_out: number;
  is_followed: boolean;
  by_chance: boolean;
}

export interface QueueTold {
  name: string;
  type: string;
  after_ms: number;
  ready: number;
  unacked: number;
  consumers: number;
  ttl_ms: SettingTold | null;
  expires_ms: SettingTold | null;
  max_length: SettingTold | null;
  max_length_bytes: SettingTold | null;
  overflow: SettingTold | null;
  fate: "taken" | "refused" | "duplicate" | "drops-head";
  dead_letters: DeadLettersTold | null;
}

export interface Explanation {
  vhost: string;
  exchange: string;
  routing_key: string;
  copies_to: string[];
  outcome: "routed" | "unroutable" | "refused";
  by_chance: boolean;
  queues: string[];
  reply_queues: string[];
  refusal: { code: number; text: string; nearest: string[] } | null;
  exchanges: ExchangeTold[];
  reached: QueueTold[];
  text: string;
}

// --- what keeps messages from getting on

export interface Finding {
  kind: string;
  vhost: string;
  name: string;
  text: string;
  connection?: string;
  channel?: string;
  consumer_tag?: string;
  user?: string;
  [fact: string]: Json | undefined;
}

// --- live

/** A message at a moment of its way. */
export interface Passage extends Omit<Message, "redelivered"> {
  tap: number;
  kind: "published" | "refused" | "returned" | "delivered" | "got" | "dead_lettered" | "dropped";
  at: number;
  queue?: string;
  queues?: string[];
  redelivered?: boolean;
  reason?: string;
  connection?: string;
  channel?: number;
}

export interface BrokerEvent {
  name: string;
  at: number;
  properties: Arguments;
}
