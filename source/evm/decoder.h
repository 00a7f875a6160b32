/* The decoder of the evm source: raw blocks and logs to rows of its streams.
 *
 * Streams: one for each declared event, in their order, and `blocks` behind them. A log goes to the event
 * whose topic0 and number of topics it has and whose shape its data fits; among those, to one that is
 * restricted to the log's address before one that is not. Logs whose topic0 nobody declared may be of an
 * anonymous event. What fits no event is rejected, saying what came and what was declared.
 *
 * A block record opens a block; its logs follow in the same batch and take hash and time from it. The
 * batch's meta is the chain id (evm_meta_format).
 *
 * Ownership: events and streams are borrowed and outlive the decoder. As any decoder, it belongs to one
 * thread at a time. */
#ifndef PLUMB_SOURCE_EVM_DECODER_H
#define PLUMB_SOURCE_EVM_DECODER_H

#include "rows/decode.h"
#include "source/evm/abi_event.h"

#define EVM_EVENTS_MAX    (STREAMS_MAX - 1) /* `blocks` is one more */
#define EVM_META_BYTES    24
#define EVM_BLOCKS_STREAM "blocks"

/* A declared event. */
struct evm_event {
    const char *name; /* of its stream */
    const struct abi_event *abi;
    /* Only logs of these contracts are its; none: of all. Events of learned addresses have none. */
    const uint8_t (*addresses)[EVM_ADDRESS_BYTES];
    size_t address_count;
};

/* The streams of these events, and `blocks`, in the arena. CONFIG when two events cannot be told apart:
 * both would take the same logs. */
MUST_CHECK enum err_code evm_streams(const struct evm_event *events, size_t count,
                                     struct arena *arena, struct stream **out, size_t *out_count,
                                     struct err *err);
/* streams: as evm_streams gave them. */
MUST_CHECK enum err_code evm_decoder_new(const struct evm_event *events, size_t count,
                                         const struct stream *streams, size_t stream_count,
                                         struct decoder **out, struct err *err);

/* What a batch of this chain has as its meta. */
void evm_meta_format(int64_t chain_id, char out[EVM_META_BYTES]);

#endif
