//! How servers write a stream, each in its own [`Dialect`].
//!
//! Every dialect but two was held field by field against the source of the server that writes it:
//! vLLM, `SGLang`, Ollama, TGI, TensorRT-LLM and `LMDeploy`. llama.cpp's and `LiteLLM`'s were held
//! against public threads.

/// Where the role stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// In a chunk of its own, the first, with this delta.
    Alone(&'static str),
    /// In every chunk.
    Everywhere,
    /// In the first chunk with output.
    First,
    /// Nowhere.
    Nowhere,
}

/// Where the end stands.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// In a chunk of its own, with this delta.
    Alone(&'static str),
    /// The same for an answer that ends by itself; one that is cut ends in the chunk of its last token.
    AtStop(&'static str),
}

/// Where the token counts stand.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Counts {
    /// In every chunk of a token, and at the end.
    Running,
    /// In a chunk without choices.
    AtTheEnd,
    /// The same, and zeros in every chunk before.
    ZerosThenAtTheEnd,
    /// In a chunk with an empty choice.
    WithEmptyChoice,
    /// In the chunk that ends the answer.
    InTheEnd,
}

/// How an answer fails in the middle.
#[derive(Clone, Copy)]
pub(crate) enum Error {
    /// With these events.
    Said(&'static str),
    /// The stream ends, after these.
    Lost(&'static str),
}

#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) name: &'static str,
    /// Whether it is that of `/v1/completions`: a choice has a text in place of a delta.
    pub(crate) is_text: bool,
    pub(crate) role: Role,
    /// How a chunk of reasoning and one of the answer are written: `@` stands for the text.
    pub(crate) thought: &'static str,
    pub(crate) answer: &'static str,
    /// The finish reason of every chunk but the last.
    pub(crate) no_reason: &'static str,
    pub(crate) end: End,
    pub(crate) counts: Counts,
    /// Whether the token that ends an answer is counted.
    pub(crate) counts_end: bool,
    /// The most tokens of a chunk.
    pub(crate) most: u32,
    /// Whether a token without text is sent in a chunk of its own.
    pub(crate) sends_empty: bool,
    pub(crate) error: Error,
}

/// How TGI ends a response with an error, at both endpoints.
const TGI_ERROR: Error = Error::Said(
    "data: {\"error\":{\"message\":\"no\",\"http_status_code\":422}}\n\ndata: [DONE]\n\n",
);

/// What most have in common.
const COMMON: Dialect = Dialect {
    name: "",
    is_text: false,
    role: Role::First,
    thought: r#""reasoning_content":"@""#,
    answer: r#""content":"@""#,
    no_reason: "null",
    end: End::Alone(""),
    counts: Counts::AtTheEnd,
    counts_end: true,
    most: 2,
    sends_empty: false,
    error: Error::Said("data: {\"error\":{\"message\":\"no\",\"code\":500}}\n\ndata: [DONE]\n\n"),
};

pub(crate) const DIALECTS: [Dialect; 10] = [
    Dialect {
        name: "vLLM",
        role: Role::Alone(r#""role":"assistant","content":"""#),
        thought: r#""reasoning":"@""#,
        end: End::AtStop(r#""content":"""#),
        counts: Counts::Running,
        most: 4,
        sends_empty: true,
        ..COMMON
    },
    Dialect {
        name: "SGLang",
        role: Role::Alone(r#""role":"assistant","content":"""#),
        counts: Counts::Running,
        most: 3,
        error: Error::Said(
            "data: {\"error\":{\"object\":\"error\",\"message\":\"no\",\"code\":500}}\n\ndata: [DONE]\n\n",
        ),
        ..COMMON
    },
    Dialect {
        name: "llama.cpp",
        role: Role::Alone(r#""role":"assistant","content":null"#),
        most: 1,
        error: Error::Said(
            "error: {\"code\":500,\"message\":\"no\",\"type\":\"server_error\"}\n\n",
        ),
        ..COMMON
    },
    Dialect {
        name: "Ollama",
        thought: r#""content":"","reasoning":"@""#,
        // Its API for OpenAI's clients reads the error as an answer without text.
        error: Error::Lost(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        ),
        ..COMMON
    },
    Dialect {
        name: "Ollama, completions",
        is_text: true,
        role: Role::Nowhere,
        end: End::Alone(r#""text":"""#),
        counts: Counts::ZerosThenAtTheEnd,
        error: Error::Lost(
            "data: {\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":0,\
             \"completion_tokens\":0}}\n\n",
        ),
        ..COMMON
    },
    Dialect {
        name: "TGI",
        role: Role::Everywhere,
        thought: r#""content":"@""#,
        end: End::AtStop(r#""role":"assistant","content":"""#),
        most: 1,
        sends_empty: true,
        error: TGI_ERROR,
        ..COMMON
    },
    Dialect {
        name: "TGI, completions",
        is_text: true,
        role: Role::Nowhere,
        no_reason: "\"\"",
        // The text of the token that ends the answer is not left out.
        end: End::AtStop(r#""text":"</s>""#),
        counts: Counts::InTheEnd,
        most: 1,
        sends_empty: true,
        error: TGI_ERROR,
        ..COMMON
    },
    Dialect {
        name: "TensorRT-LLM",
        role: Role::Alone(r#""role":"assistant""#),
        thought: r#""content":"","reasoning_content":"@""#,
        answer: r#""content":"@","reasoning_content":"""#,
        end: End::AtStop(r#""content":"","reasoning_content":"""#),
        counts: Counts::Running,
        sends_empty: true,
        // An exception ends the response.
        error: Error::Lost(""),
        ..COMMON
    },
    Dialect {
        name: "LMDeploy",
        role: Role::Everywhere,
        end: End::AtStop(r#""role":"assistant","content":"""#),
        counts_end: false,
        sends_empty: true,
        error: Error::Said(
            "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"code\":500,\"param\":null,\
             \"object\":\"error\"}}\n\ndata: [DONE]\n\n",
        ),
        ..COMMON
    },
    Dialect {
        name: "LiteLLM",
        thought: r#""content":"","reasoning_content":"@","provider_specific_fields":{"reasoning_content":"@"}"#,
        counts: Counts::WithEmptyChoice,
        error: Error::Said(
            "data: {\"error\":{\"message\":\"no\",\"type\":\"None\",\"code\":\"500\"}}\n\n",
        ),
        ..COMMON
    },
];
