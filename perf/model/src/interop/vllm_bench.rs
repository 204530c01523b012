//! The JSON that `vllm bench serve --save-result --save-detailed` writes: [`write()`] writes it,
//! [`read()`] makes a record of it.
//!
//! Every key of vLLM 0.32 is written, with a value of the same type. Most mean the same; where one
//! does not, this is how ours is counted:
//!
//! | key | differs |
//! |---|---|
//! | `input_lens`, `output_lens`, `total_…_tokens` | the server's own counts, not those of a tokenizer at the client |
//! | `tokenizer_id` | the model's name: there is no tokenizer |
//! | `itls` | gaps between tokens: a chunk of k tokens gives k gaps (the first gives none). Between chunks, as with vLLM, where the tokens of a chunk are an estimate |
//! | `duration`, and the rates over it | from the first intended send to the end of the last response |
//! | `queue_times` | the send's lateness; vLLM's includes the wait for a place among `max_concurrency` |
//! | `max_output_tokens_per_s` | counts tokens in whole seconds since the first send, not chunks |
//! | `max_concurrent_requests` | the most under way at one moment, not of all that touch one second |
//! | `burstiness` | the shape of gamma arrivals; 1 for all others, also evenly spaced ones |
//! | `request_rate` | of a ramp its mean; `inf` for closed loops and recorded arrivals |
//! | `generated_texts` | empty: texts are not kept |
//! | `completed`, `failed`, `errors` | cut streams, wrong lengths and errors inside a stream are failures |
//!
//! TTFT and latency count from the send here, as vLLM's do, and not from the intended start as in
//! our own figures; the difference is in `queue_times`. What was not measured is `null`, where vLLM
//! writes 0.

mod arrivals;
mod lacking;
mod nan;
mod read;
mod write;

pub use read::{ReadError, read, read_all};
pub use write::write;
