//! Loops compiled for several instruction sets.

/// Defines a loop that is compiled three times: plain, for AVX2 and for AVX-512; the machine decides at run time. No
/// fused multiply-add and no reordering, so all three give the same bits.
///
/// `T` is a [`super::Real`], or what is named: `fn f<T: Trait>(..)`. Arguments may be closures (`impl Fn(T) -> T`); short
/// ones become vector instructions too.
macro_rules! vectorised {
    ($(#[$meta:meta])* fn $name:ident<$T:ident>($($rest:tt)*) $($tail:tt)*) => {
        $crate::kernel::vectorised! { $(#[$meta])* fn $name<$T: $crate::kernel::Real>($($rest)*) $($tail)* }
    };
    (
        $(#[$meta:meta])*
        fn $name:ident<$T:ident: $bound:path>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "kernels take slices and constants")]
        pub(crate) fn $name<$T: $bound>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body<$T: $bound>($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2<$T: $bound>($($arg: $ty),*) $(-> $ret)? {
                    body::<$T>($($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512<$T: $bound>($($arg: $ty),*) $(-> $ret)? {
                    body::<$T>($($arg),*)
                }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the features were found on this machine in the line above.
                    return unsafe { avx512::<$T>($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature was found on this machine in the line above.
                    return unsafe { avx2::<$T>($($arg),*) };
                }
            }
            body::<$T>($($arg),*)
        }
    };
}
pub(crate) use vectorised;
