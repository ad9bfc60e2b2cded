// A power meter of ACPI 4.0 and two batteries for the kernel's drivers acpi_power_meter and battery, of known power.
DefinitionBlock ("", "SSDT", 2, "BH", "METERS", 1)
{
    Scope (\_SB)
    {
        // The power of the whole machine in milliwatts, as a mean over a second: one of two values, for 2 s each.
        Device (PMT0)
        {
            Name (_HID, "ACPI000D")
            Name (_UID, Zero)
            Method (_STA) { Return (0x0F) }
            // measures; mW; input power; accuracy in 0.001%; sampled every 250 ms; mean over 1 s at least and at most; …
            Name (_PMC, Package () { 1, 0, 0, 99000, 250, 1000, 1000, 0xFFFFFFFF, 0, 0, 0, "model", "serial", "bh" })
            Method (_PMM, 0, Serialized)
            {
                // Timer counts 100 ns since boot.
                Divide (Timer (), 20000000, , Local0)
                If (And (Local0, 1)) { Return (312500) }
                Return (187500)
            }
            Method (_GAI) { Return (1000) }
            Method (_PAI, 1) { Return (1) }
            Name (_PMD, Package () {})
        }

        Device (ADP1)
        {
            Name (_HID, "ACPI0003")
            Method (_PSR) { Return (0) }
            Method (_STA) { Return (0x0F) }
        }

        // It tells its power: 17.5 W flow out of it.
        Device (BAT0)
        {
            Name (_HID, EisaId ("PNP0C0A"))
            Name (_UID, 1)
            Method (_STA) { Return (0x1F) }
            // mWh and mW; of design 50 Wh; full 48 Wh; rechargeable; 11.4 V; …
            Name (_BIF, Package () { 0, 50000, 48000, 1, 11400, 2000, 1000, 100, 100, "model", "1", "LION", "bh" })
            Name (_BST, Package () { 1, 17500, 30000, 11400 })
        }

        // It tells its current: 1.25 A at 8 V.
        Device (BAT1)
        {
            Name (_HID, EisaId ("PNP0C0A"))
            Name (_UID, 2)
            Method (_STA) { Return (0x1F) }
            Name (_BIF, Package () { 1, 5000, 4800, 1, 7600, 200, 100, 10, 10, "model", "2", "LION", "bh" })
            Name (_BST, Package () { 1, 1250, 3000, 8000 })
        }
    }
}
