use std::{env, fmt, fs::File, io::Read, path::PathBuf};

use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

/// The longest value that is read from a file, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// A value, or where it is: a string, `{ env: NAME }`, or `{ file: path }`. The text itself is never shown.
#[derive(Clone)]
pub enum ValueFrom {
    /// The value itself.
    Literal(Zeroizing<String>),
    /// An environment variable of the controller.
    Env(String),
    /// A file that holds the value and nothing else; a line break at its end is not part of it.
    File(PathBuf),
}

impl ValueFrom {
    /// The value as it is now; the error says what is missing and never what is there.
    ///
    /// # Errors
    /// If it is not there, or empty.
    pub fn read(&self) -> Result<Zeroizing<String>, String> {
        let (value, place) = match self {
            Self::Literal(value) => (value.clone(), "the value".to_owned()),
            Self::Env(name) => {
                let value = env::var(name).map_err(|error| match error {
                    env::VarError::NotPresent => format!("the environment variable {name} is not set"),
                    env::VarError::NotUnicode(_) => format!("the environment variable {name} is no UTF-8 text"),
                })?;
                (Zeroizing::new(value), format!("the environment variable {name}"))
            }
            Self::File(path) => {
                let mut value = Zeroizing::new(String::new());
                let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut value));
                let length = read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                if length as u64 > MAX_FILE {
                    return Err(format!("{} is larger than {MAX_FILE} bytes", path.display()));
                }
                (value, path.display().to_string())
            }
        };
        let text = value.trim_end_matches(['\n', '\r']);
        if text.is_empty() {
            return Err(format!("{place} is empty"));
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// What stays the same while the controller runs is read once; a file is read whenever it is used.
    pub(crate) fn pinned(&self) -> Result<Self, String> {
        let value = self.read()?;
        Ok(match self {
            Self::File(_) => self.clone(),
            Self::Literal(_) | Self::Env(_) => Self::Literal(value),
        })
    }
}

impl fmt::Debug for ValueFrom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => formatter.write_str("Literal(..)"),
            Self::Env(name) => formatter.debug_tuple("Env").field(name).finish(),
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for ValueFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Place {
            env: Option<String>,
            file: Option<PathBuf>,
        }

        struct Visitor;

        /// An error that does not repeat the value, as serde's own would.
        fn unquoted<E: de::Error>() -> Result<ValueFrom, E> {
            Err(E::custom("must be a string, { env: NAME } or { file: path }; put a number or a boolean in quotes"))
        }

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = ValueFrom;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, { env: NAME } or { file: path }")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<ValueFrom, E> {
                Ok(ValueFrom::Literal(Zeroizing::new(value.to_owned())))
            }

            fn visit_string<E: de::Error>(self, value: String) -> Result<ValueFrom, E> {
                Ok(ValueFrom::Literal(Zeroizing::new(value)))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<ValueFrom, E> {
                unquoted()
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<ValueFrom, E> {
                unquoted()
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<ValueFrom, E> {
                unquoted()
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<ValueFrom, E> {
                unquoted()
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ValueFrom, A::Error> {
                match Place::deserialize(de::value::MapAccessDeserializer::new(map))? {
                    Place { env: Some(name), file: None } => Ok(ValueFrom::Env(name)),
                    Place { env: None, file: Some(path) } => Ok(ValueFrom::File(path)),
                    // Where one configuration is laid over another, both may be there.
                    Place { .. } => {
                        Err(de::Error::custom("must have one of `env` and `file`; take the other away with null"))
                    }
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
