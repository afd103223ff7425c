/** A frame: an object with the name of what has happened. */
export type Frame = {
    event: string;
    [field: string]: unknown;
};
/** The application's events, and the fields of each. */
export type Events = Record<string, object>;
/** What the client says by itself, and what every room says. P is the state that tabs announce. */
export interface Own<P = unknown> {
    /** The connection has changed. */
    "room:status": {
        status: Status;
    };
    /** Everybody's presence has changed, but one's own. */
    "room:peers": {
        peers: Peer<P>[];
    };
    /** There is a session: the one before, or a new one. */
    "session:open": {
        ws_session_id: string;
        resumed: boolean;
        seq: number;
    };
    /** The messages from from to to may have been missed, and cannot be had any more. */
    "session:gap": {
        from: number;
        to: number;
    };
    /** Who is there, at each connection; then who has come, and who has gone. */
    "session:list": {
        sessions: Session[];
        num_connections: number;
    };
    "session:connected": Session & {
        num_connections: number;
    };
    "session:disconnected": Session & {
        num_connections: number;
    };
    /** A user's first connection, and the last. */
    "user:joined": {
        user: string;
        meta?: unknown;
        num_users: number;
    };
    "user:left": {
        user: string;
        meta?: unknown;
        num_users: number;
    };
    /** How long the session lasts by its token, in milliseconds from now. */
    "token:expires": {
        in_ms: number;
    };
    /** Something of what was sent without a number was refused: a signal, or, if of is "token:refresh", a token. */
    error: {
        message: string;
        status: number;
        of?: string;
    };
}
/** disconnected is for good: after close(), or when the room has said so. */
export type Status = "connecting" | "connected" | "reconnecting" | "disconnected";
/** Somebody's connection. */
export interface Session {
    ws_session_id: string;
    meta?: unknown;
}
/** Somebody's tab. */
export interface Peer<P = unknown> {
    presence_id: string;
    user?: unknown;
    state?: P;
    clock: number;
}
export interface Options {
    /**
     * A join token, or what gets one from the backend: it is called for each connection, and before the session's token
     * expires, which goes on then. Where it fails it is called again, later. With a text alone the room is left when that has
     * expired.
     */
    token?: string | (() => string | Promise<string>);
    /** The first pause before connecting again, 1,000 ms. It doubles, up to most; half of it and a random part are waited. */
    first?: number;
    /** The longest pause, 30,000 ms. */
    most?: number;
    /** Milliseconds between pings, 30,000. If nothing has come back until the next, the connection is given up. */
    ping?: number;
    /** Milliseconds within which a connection must be there, 10,000. */
    patience?: number;
    /** Milliseconds between announcements, 50: of those in between the last one counts. */
    pace?: number;
    /** How many messages from before are wanted at first, 0 to 100. */
    rewind?: number;
    /** How many messages may wait to be acknowledged, 1,000. */
    waiting?: number;
    /** In place of the global one. */
    WebSocket?: new (url: string, protocols: string[]) => WebSocket;
}
/** Why a message was not handled, or that this is not known: status 0, when its session was lost or closed. */
export declare class Refused extends Error {
    readonly status: number;
    constructor(status: number, message: string);
}
export declare class Room<E extends Events = Record<string, Record<string, unknown>>, P = unknown> {
    #private;
    /** The connection's state. */
    status: Status;
    /** The id of this session, once there is one. */
    id: string;
    constructor(url: string, options?: Options);
    /** Calls f for each frame of an event; "*" is every frame. What it returns ends that. */
    on<K extends keyof E & string>(event: K, f: (m: E[K] & {
        event: K;
        seq?: number;
    }) => void): () => void;
    on<K extends keyof Own>(event: K, f: (m: Own<P>[K] & {
        event: K;
    }) => void): () => void;
    on(event: "*" | `${string}:${string}`, f: (m: Frame) => void): () => void;
    /** Sends a message, now or when there is a connection. It is handled once and in order; a Refused says that it was not. */
    send<K extends keyof E & string>(event: K, fields: E[K]): Promise<void>;
    /** Sends a message that is not worth keeping: it is lost if there is no connection. */
    signal<K extends keyof E & string>(event: K, fields: E[K]): void;
    /** Says where this tab is and who looks at it; it is said again after each connection. */
    announce(state: P, user?: unknown): void;
    /** Leaves the room for good. */
    close(): void;
}
