//! The `registry!` macro: an IANA registry as a newtype with named constants.
//! Unknown numbers are kept, so that they survive a round trip.

macro_rules! registry {
    ($(#[$doc:meta])* $vis:vis struct $name:ident($repr:ty) { $($(#[$cdoc:meta])* $const:ident = $value:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        $vis struct $name(pub $repr);

        #[allow(missing_docs)]
        impl $name {
            $($(#[$cdoc])* pub const $const: Self = Self($value);)*

            /// The IANA name, if the number is a known one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($const)),)*
                    _ => None,
                }
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}({})", stringify!($name), self.0),
                }
            }
        }
    };
}
pub(crate) use registry;
