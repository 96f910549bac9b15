//! `map lsp`: a language server over standard input and output: findings while typing, completion, hover and definition, from both schemas.

use crate::diagnostic::{Diagnostic, Severity};
use crate::files::Files;
use crate::mapping::Mapping;
use crate::verbs::cursor::{Choice, Cursor, Kind, Sides, words};
use crate::verbs::markup::{offset, place, tag_at};
use crate::verbs::parts::Parts;
use crate::verbs::report::marked;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use xsd::schema::Schemas;
use xsd::tree::Place;

/// The largest message that is read.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Serves one client until it says exit or goes away.
///
/// # Errors
/// Reading or writing fails, or what comes is not of the protocol's framing.
pub fn serve(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let language = xsd::unified::schemas().map_err(|_defects| io::Error::other("the language's own schema cannot be loaded"))?;
    let mut server = Server { open: BTreeMap::new(), sound: BTreeMap::new(), language };
    while let Some(message) = receive(input)? {
        let method = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
        if method == "exit" {
            return Ok(());
        }
        for answer in server.message(&method, &message) {
            send(output, &answer)?;
        }
    }
    Ok(())
}

fn receive(input: &mut impl BufRead) -> io::Result<Option<Value>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if input.by_ref().take(4096).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse::<usize>().ok().filter(|length| *length <= MESSAGE_BYTES_MAX);
        }
    }
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message without a Content-Length that can be read"))?;
    let mut octets = vec![0; length];
    input.read_exact(&mut octets)?;
    Ok(Some(serde_json::from_slice(&octets).unwrap_or(Value::Null)))
}

fn send(output: &mut impl Write, message: &Value) -> io::Result<()> {
    let text = message.to_string();
    write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
    output.flush()
}

struct Server {
    /// Documents by their URI.
    open: BTreeMap<String, String>,
    /// The schemas of each document when it could be read last: they serve while it is half written.
    sound: BTreeMap<String, Parts>,
    language: Schemas,
}

impl Server {
    #[expect(clippy::indexing_slicing, reason = "indexing JSON gives null for what is not there")]
    fn message(&mut self, method: &str, message: &Value) -> Vec<Value> {
        let parameters = &message["params"];
        let uri = parameters["textDocument"]["uri"].as_str().unwrap_or_default().to_owned();
        let answer = |result: Value| vec![json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })];
        match method {
            "initialize" => answer(json!({
                "capabilities": {
                    "positionEncoding": "utf-16", "textDocumentSync": { "openClose": true, "change": 1, "save": true },
                    "completionProvider": { "triggerCharacters": ["<", "\"", "/", "@", ":", " "] }, "hoverProvider": true, "definitionProvider": true,
                },
                "serverInfo": { "name": "waybill map lsp", "version": env!("CARGO_PKG_VERSION") },
            })),
            "shutdown" => answer(Value::Null),
            "textDocument/didOpen" => self.changed(uri, parameters["textDocument"]["text"].as_str()),
            "textDocument/didChange" => {
                self.changed(uri, parameters["contentChanges"].as_array().and_then(|all| all.last()?["text"].as_str()))
            }
            "textDocument/didSave" => {
                let text = self.open.get(&uri).cloned();
                self.changed(uri, text.as_deref())
            }
            "textDocument/didClose" => {
                self.open.remove(&uri);
                self.sound.remove(&uri);
                vec![published(&uri, &[])]
            }
            "textDocument/completion" => answer(self.completion(&uri, &parameters["position"])),
            "textDocument/hover" => answer(self.hover(&uri, &parameters["position"])),
            "textDocument/definition" => answer(self.definition(&uri, &parameters["position"])),
            _ if message["id"].is_null() => Vec::new(),
            _ => vec![
                json!({ "jsonrpc": "2.0", "id": message["id"], "error": { "code": -32601, "message": format!("'{method}' is not served") } }),
            ],
        }
    }

    fn changed(&mut self, uri: String, text: Option<&str>) -> Vec<Value> {
        let (Some(text), Some(path)) = (text, path_of(&uri)) else { return Vec::new() };
        self.open.insert(uri.clone(), text.to_owned());
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let files = || Files::new(path.parent().unwrap_or(Path::new(""))).with(&file, text.as_bytes().to_vec());
        if let Ok(parts) = Parts::read(&file, &files()) {
            self.sound.insert(uri.clone(), parts);
        }
        let found = Mapping::check_with(&file, &files()).diagnostics;
        let shown: Vec<Value> = found.iter().map(|diagnostic| shown(diagnostic, text, &path)).collect();
        vec![published(&uri, &shown)]
    }

    /// The document, where the cursor is in it, and the schemas that were sound last.
    fn look<T>(&self, uri: &str, position: &Value, see: impl FnOnce(&Cursor<'_>, &Sides<'_>, &str) -> T) -> Option<T> {
        let text = self.open.get(uri)?;
        let at = offset_of(text, position)?;
        let parts = self.sound.get(uri);
        let targets = parts.iter().flat_map(|parts| parts.document.targets.iter().zip(&parts.targets));
        let sides = Sides {
            source: parts.and_then(|parts| parts.source.as_ref()),
            targets: targets.map(|(side, schemas)| (side.name.clone(), schemas.as_ref())).collect(),
            language: &self.language,
        };
        Some(see(&Cursor::at(text, at), &sides, text))
    }

    fn completion(&self, uri: &str, position: &Value) -> Value {
        let choices = self.look(uri, position, |cursor, sides, _| cursor.choices(sides)).unwrap_or_default();
        let item = |choice: &Choice| {
            // The protocol's CompletionItemKind: Class, Field, Keyword, Value.
            let kind = match choice.kind {
                Kind::Element => 7,
                Kind::Attribute => 5,
                Kind::Rule => 14,
                Kind::Value => 12,
            };
            json!({ "label": choice.label, "kind": kind, "detail": choice.detail, "documentation": choice.documentation })
        };
        json!(choices.iter().map(item).collect::<Vec<_>>())
    }

    fn hover(&self, uri: &str, position: &Value) -> Value {
        let said = self.look(uri, position, |cursor, sides, _| {
            let node = cursor.node(sides)?;
            let documentation = node.documentation().map(|text| format!("\n\n{text}")).unwrap_or_default();
            Some(format!("**{}**: {}\n\ndeclared at {}{documentation}", node.name().local(), words(&node), node.source()))
        });
        said.flatten().map_or(Value::Null, |text| json!({ "contents": { "kind": "markdown", "value": text } }))
    }

    fn definition(&self, uri: &str, position: &Value) -> Value {
        let dir = path_of(uri).and_then(|path| path.parent().map(Path::to_owned)).unwrap_or_default();
        let found = self.look(uri, position, |cursor, sides, text| {
            if let Some(node) = cursor.node(sides) {
                let source = node.source();
                let path = dir.join(&*source.file);
                let text = std::fs::read(&path).ok().and_then(|octets| Some(xsd::decode::decode(&octets, None).ok()?.into_owned()))?;
                return Some(location(&uri_of(&path), &text, source.place));
            }
            match cursor.named()? {
                ("schema" | "href" | "wsdl", name) if dir.join(name).is_file() => {
                    Some(location(&uri_of(&dir.join(name)), "", Place { line: 1, column: 1 }))
                }
                ("codes", name) => Some(location(uri, text, place(text, cursor.declaration("codes", name)?))),
                ("to", name) => Some(location(uri, text, place(text, cursor.declaration("target", name)?))),
                _ => None,
            }
        });
        found.flatten().unwrap_or(Value::Null)
    }
}

fn published(uri: &str, diagnostics: &[Value]) -> Value {
    json!({ "jsonrpc": "2.0", "method": "textDocument/publishDiagnostics", "params": { "uri": uri, "diagnostics": diagnostics } })
}

fn shown(diagnostic: &Diagnostic, text: &str, path: &Path) -> Value {
    let start = offset(text, diagnostic.at.place);
    let span = tag_at(text, diagnostic.at.place).map_or(start..start, |tag| marked(diagnostic, &tag));
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let dir = path.parent().unwrap_or(Path::new(""));
    let related = diagnostic.declared.as_ref().filter(|declared| dir.join(&*declared.file).is_file()).map(
        |declared| json!({ "location": location(&uri_of(&dir.join(&*declared.file)), "", declared.place), "message": "declared here" }),
    );
    json!({
        "range": { "start": position(text, span.start), "end": position(text, span.end) },
        "severity": if diagnostic.severity == Severity::Error { 1 } else { 2 }, "code": diagnostic.code, "source": "waybill",
        "message": format!("{}{help}", diagnostic.text), "relatedInformation": related.into_iter().collect::<Vec<_>>(),
    })
}

/// A place in a file; without its text columns count as characters.
fn location(uri: &str, text: &str, at: Place) -> Value {
    let start = if text.is_empty() {
        json!({ "line": at.line.saturating_sub(1), "character": at.column.saturating_sub(1) })
    } else {
        position(text, offset(text, at))
    };
    json!({ "uri": uri, "range": { "start": start, "end": start } })
}

/// The protocol counts lines from 0 and columns in UTF-16 units.
fn position(text: &str, at: usize) -> Value {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let column: usize = before.rsplit('\n').next().unwrap_or_default().chars().map(char::len_utf16).sum();
    json!({ "line": line, "character": column })
}

fn offset_of(text: &str, position: &Value) -> Option<usize> {
    let number = |name: &str| position.get(name)?.as_u64().and_then(|number| usize::try_from(number).ok());
    let (line, column) = (number("line")?, number("character")?);
    let start = if line == 0 { 0 } else { text.match_indices('\n').nth(line - 1)?.0 + 1 };
    let mut units = 0;
    for (at, letter) in text.get(start..)?.char_indices() {
        if units >= column || letter == '\n' {
            return Some(start + at);
        }
        units += letter.len_utf16();
    }
    Some(text.len())
}

/// The path of a `file:` URI.
fn path_of(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let mut octets = Vec::new();
    let mut bytes = rest.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            octets.push(byte);
            continue;
        }
        let pair = [bytes.next()?, bytes.next()?];
        octets.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(octets).ok().map(PathBuf::from)
}

fn uri_of(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.to_string_lossy().bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
